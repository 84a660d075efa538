# 简体中文。每条消息都是纯文本，由页面负责转义。消息与变量须与 en.ftl 一致。

## 所有页面

skip = 跳到正文
nav-main = 主导航
nav-profile = 个人资料
nav-devices = 我的设备
nav-admin = 管理后台
nav-preferences = 语言与主题
sign-in = 登录
sign-out = 退出登录
register = 注册
footer-served = 本页由 site（Actix Web）提供。
footer-api = 在 api（Axum）查看同一会话
pages = 分页
pages-previous = 上一页
pages-next = 下一页
pages-more = 更多
pages-position = 第 { $page } 页，共 { $pages } 页
to-home = 返回首页
none = 无
never = 从未
yes = 是
no = 否

## 时间

time-now = 刚刚
time-soon = 马上
time-minutes-ago = { $count } 分钟前
time-minutes-ahead = { $count } 分钟后
time-hours-ago = { $count } 小时前
time-hours-ahead = { $count } 小时后
time-days-ago = { $count } 天前
time-days-ahead = { $count } 天后
time-months-ago = { $count } 个月前
time-months-ahead = { $count } 个月后
time-years-ago = { $count } 年前
time-years-ahead = { $count } 年后

## 浏览器

browser-on = { $system } 上的 { $browser }
browser-named = { $browser }
browser-unknown = 未知浏览器

## 首页

home-title = 首页
home-greeting = 欢迎
home-nobody = 您尚未登录。
home-or-register = 或注册账号
home-idea = 一次登录，多个服务。两个用不同框架编写的程序共享这个会话：一方写入，另一方即可读取。
home-try = 在 api 写点什么，看它出现在 site；在其中一方退出登录，观察另一方的变化。
home-views = 两个服务各自看到的会话
home-views-how = 这是页面加载时的状态，刷新页面可查看变化。
home-live = 实时更新：变化会在一秒内显示在这里。
home-write = 在 api 写入，在 site 读取
home-note = 写几个字
home-write-button = 写入 api
home-sign-out-site = 在 site 退出登录
home-sign-out-site-as = 在 site 退出 { $name } 的登录
home-sign-out-api = 在 api 退出登录
picture-title = 浏览器把同一个 Cookie 发送给 site 和 api 两个服务，二者把会话保存在同一个存储中。
picture-browser = 浏览器
picture-cookie = 同一个 Cookie
picture-store = 同一个存储
view-at-site = site 看到的
view-at-api = api 看到的
view-user = 登录用户
view-nobody = 无
view-handle = 公开标识
view-created = 开始时间
view-expires = 到期时间
view-entries = 条目
view-hidden = （不显示）
home-counter = 一个计数器，两个服务
home-visits = 本会话的访问次数，本页和 POST /api/visits 共同计数
home-no-session = 目前还没有会话：只是浏览不会创建会话，登录才会。
home-count = 让 API 计数加一
home-login = 一次登录，两个服务
home-login-how = 在这里登录或退出，API 立即知晓；在那边退出，本页同样知晓。
home-link-me = API 认为您是谁
home-link-session = API 看到的会话
home-link-docs = 完整的 API 文档
home-script-failed = 操作未成功，请刷新页面后重试。

## 偏好设置

preferences-title = 语言与主题
preferences-heading = 偏好设置
preferences-how = 由 API 写入，由本页读取。
preferences-here = 它们是会话中的两个条目，因此两个服务都能读到。
preferences-theme = 主题
preferences-theme-system = 跟随系统
preferences-theme-light = 浅色
preferences-theme-dark = 深色
preferences-language = 语言
preferences-language-auto = 跟随浏览器
preferences-save = 保存

## 登录、注册与退出

login-title = 登录
login-username = 用户名
login-password = 密码
login-remember = 在此设备上保持登录
login-demo = 这是演示环境：请用 { $name } 登录，密码为 { $password }。
login-no-account = 还没有账号？
login-too-many = 尝试次数过多，请稍候再试。
login-wrong = 用户名或密码不正确，请重试。
login-ended = 您的会话已结束，请重新登录。
register-title = 注册
register-username-hint = 字母、数字以及 @ . + - _
register-email = 电子邮箱
register-optional = （选填）
register-password-hint = 至少 8 个字符，越长越好。
register-again = 再次输入密码
register-already = 已有账号？
register-taken = 该用户名已被使用，请换一个。
register-email-taken = 该电子邮箱已注册过账号。
register-name-impossible = 无法使用该用户名。
register-closed = 此处不开放注册新账号。
sign-out-still = 您仍以 { $name } 的身份登录。
sign-out-already = 您已退出登录。

## 表单

form-check = 请检查您填写的内容
form-old = 页面已过期，无法使用，请重试。
form-no-cookie = 您的浏览器没有发送此页面的 Cookie，请重试。如果再次看到此提示，请允许本站使用 Cookie。
form-email-needed = 请填写电子邮箱，登录时需要用到它。
form-email-wrong = 电子邮箱格式不正确。
form-passwords-differ = 两次输入的密码不一致。
username-empty = 请填写用户名。
username-long = 用户名过长，最多 150 个字符。
username-letters = 用户名只能包含字母、数字以及 @ . + - _。
username-invisible = 用户名中含有不可见的字符。
username-scripts = 用户名混用了外形相似的多种文字的字母，请只使用一种。
password-empty = 请填写密码，不能只有空格。
password-short = 密码太短，至少需要 8 个字符。
password-long = 密码太长。
password-digits = 密码不能全是数字。
password-similar = 密码与您的用户名或邮箱过于相似，容易被猜到。
password-common = 这个密码太常见，请换一个。

## 账号

password-title = 修改密码
password-effect = 当前设备保持登录，其他设备都会退出登录。
password-current = 当前密码
password-new = 新密码
password-new-again = 再次输入新密码
password-change = 修改密码
password-wrong = 当前密码不正确。
password-same = 新密码与当前密码相同，请换一个。
profile-title = 个人资料
profile-joined = 注册时间
profile-signed-in = 登录时间
profile-role = 角色
profile-groups = 用户组
profile-permissions = 权限
role-superuser = 超级用户
role-staff = 管理人员
role-user = 普通用户
devices-title = 我的设备
devices-how = 您已在以下设备上登录。发现陌生设备？请让它退出登录，并修改密码。
devices-this = 当前设备
devices-signed-in = 登录于 { $when }
devices-elsewhere = 在其他服务上登录
devices-last-seen = 最近活动 { $when }
devices-sign-out = 让 { $browser } 退出登录
devices-sign-out-this = 让 { $browser }（当前设备）退出登录
devices-others = 让其他设备全部退出登录

## 操作结果

notice-password-changed = 密码已修改，其他设备均已退出登录。
notice-device-signed-out = 该设备已退出登录。
notice-others-signed-out = 其他设备均已退出登录。
notice-preferences-saved = 偏好设置已保存。
notice-user-changed = 用户已更新。
notice-user-signed-out = 该用户已在所有设备上退出登录。
notice-session-ended = 会话已结束。

## 管理后台

admin-title = 管理后台
admin-overview = 概览
admin-users = 用户
admin-sessions = 会话
admin-count-users = 用户数
admin-count-sessions = 活动会话
admin-count-signed-in = 已登录用户
admin-count-loads = 会话读取
admin-count-commits = 会话写入
admin-count-merged = 合并写入
admin-note-at-least = 至少有这么多，统计到此为止
admin-note-process = 本进程启动以来
admin-note-merged = 与其他写入同时发生、没有丢失任何数据的写入
admin-search-label = 用户名或电子邮箱
admin-search = 搜索
admin-users-total = 共 { $count } 个用户
admin-users-found = 找到 { $count } 个用户
admin-only = 显示
admin-only-everybody = 全部用户
admin-only-active = 已启用的用户
admin-only-inactive = 已停用的用户
admin-only-staff = 管理人员
admin-only-superusers = 超级用户
admin-order = 排序方式
admin-incomplete = 用户太多，无法全部查看：请先按名称搜索。
admin-show-all = 显示全部
admin-name = 用户名
admin-email = 电子邮箱
admin-active = 已启用
admin-staff = 管理人员
admin-superuser = 超级用户
admin-last-login = 上次登录
admin-not-yours = 您无权修改该用户。
admin-activate = 启用
admin-deactivate = 停用
admin-make-staff = 设为管理人员
admin-no-staff = 取消管理人员身份
admin-sign-out-everywhere = 在所有设备上退出登录
admin-live-sessions = 活动会话
admin-session = 会话
admin-user = 用户
admin-browser = 浏览器
admin-address = 地址
admin-started = 开始时间
admin-last-seen = 最近活动
admin-actions = 操作
admin-sign-out-session = 结束会话 { $handle }
admin-nothing = 暂无。
admin-anonymous = 匿名
user-removed = 用户 { $id }（已删除）
user-unreadable = 用户 { $id }（无法读取）
user-nameless = 用户 { $id }
user-named = { $name }
admin-make-superuser = 设为超级用户
admin-no-superuser = 取消超级用户身份
admin-set-password = 设置密码
admin-ask-deactivate = 该用户的所有会话将立即结束，并且在重新启用之前无法登录。
admin-ask-staff = 该用户将可以进入管理后台，查看所有用户和会话。
admin-ask-no-staff = 该用户将无法再进入管理后台。
admin-ask-superuser = 该用户将可以执行任何操作，包括对您。
admin-ask-no-superuser = 该用户将只保留单独授予的权限。
admin-ask-password = 该用户的所有会话将立即结束。请当面告知新密码。
admin-ask-sign-out = 该用户的所有会话将立即结束，之后可以重新登录。
admin-ask-many = 要结束这 { $count } 个会话吗？
admin-ask-many-effect = 这些会话将立即结束，使用者可以重新登录。
admin-cancel = 取消
admin-choice = 选择
admin-pick = 选择会话 { $handle }
admin-sign-out-chosen = 结束选中的会话
admin-filter-user = 用户名或编号
admin-filter-address = 地址开头
admin-filter-age = 开始时间
admin-age-any = 不限
admin-age-hour = 最近一小时
admin-age-day = 最近一天
admin-age-over-day = 一天以前
admin-age-over-week = 一周以前
admin-count-refused = 拒绝复活
admin-note-refused = 会话已结束或已更新，写入被拒绝
chart-started = 活动会话的开始时间分布（按小时，UTC）
chart-latency = 存储调用的耗时分布
chart-empty = 暂无数据。
chart-most = 最高的一柱为 { $count }。
notice-password-set = 密码已设置，该用户已在所有设备上退出登录。
notice-sessions-ended = 选中的会话已结束。
refused-secrets = 只有超级用户才能设置超级用户或修改他人密码。
refused-yourself = 不能对自己执行此操作。
refused-permission = 您只能查看用户，不能修改。
refused-superusers = 只有超级用户才能修改超级用户。
refused-staff = 只有超级用户才能授予或取消管理人员身份，或启用管理人员。
refused-no-mark = 本站的用户没有这个标记。

## 错误：标题、发生了什么、如何处理

error-400-title = 无法理解该请求
error-400-advice = 请返回并刷新页面，然后重试。
error-401-title = 请登录
error-401-advice = 请登录后重试。
error-403-title = 没有权限
error-403-advice = 如果您应当拥有此权限，请用有权限的账号登录。
error-404-title = 页面不存在
error-404-advice = 请检查地址，或从首页开始。
error-405-title = 不能这样操作
error-405-advice = 请返回，使用页面上的按钮。
error-409-title = 您的会话已变更
error-413-title = 内容过大
error-413-advice = 请返回，减少要发送的内容。
error-500-title = 出错了
error-500-advice = 请重试。如果仍然不行，请重新登录。
error-503-title = 服务暂时不可用
error-503-advice = 请稍候再试。如果您已登录，登录状态不受影响。
error-nothing-here = 这里没有内容，或者内容已不存在。
error-bad-request = 表单或地址中含有无法读取的内容。
error-not-shown = 页面无法显示。
error-no-page = 没有这个页面。
error-no-method = 该地址不支持此操作。
error-client = 无法响应该请求。
error-service = 服务未能响应。
error-unchanged-here = 没有任何改动。请在本站打开该页面后重试。
error-unchanged-sign-in = 没有任何改动。请登录后重试。
error-unchanged-reload = 没有任何改动。请返回并刷新页面，然后重试。
error-cross-site-title = 请求来源不符
error-cross-site = 该请求来自其他网站的页面。
error-origin-title = 地址不符
error-origin = 本服务不接受来自您所用地址的页面表单。
error-origin-advice = 没有任何改动。请用平常的地址打开本服务。如果您用的正是该地址，请告知运维人员：设置中缺少这个地址。
error-unclear = 浏览器没有明确说明该请求来自哪个页面。
error-stale-form-title = 页面已过期
error-stale-form-advice = 没有任何改动。您可能已退出登录：请登录并重新打开页面，然后再试一次。
error-renewed-title = 您的会话已更新
error-renewed = 请求处理期间，您的会话已更新，例如因为重新登录。
error-gone-title = 您的会话已结束
error-gone = 请求处理期间，您的会话已结束。
error-ended = 您的会话已结束，请登录。
error-no-session-cookie = 请求中没有会话 Cookie，请登录。
error-not-signed-in = 请登录。
error-full-title = 您的会话已满
error-full = 您的会话已达到容量上限。
error-full-advice = 没有保存任何内容。请删除一些偏好设置，或退出登录以开始新的会话。
error-unavailable = 服务暂时不可用。
error-unavailable-read = 服务暂时不可用，请重试。
error-unavailable-advice = 请稍候，查看操作是否已生效；如果没有，请再试一次。
error-superseded-title = 您的密码已被修改
error-superseded = 该请求处理期间，另一个请求修改了您的密码。
error-superseded-advice = 本次修改没有生效。请用已设置的密码登录。如果不是您本人设置的，请联系运维人员。
error-unreadable = 无法读取您的会话，请重新登录。
error-conflict = 另一个请求抢先完成了，请重试。
error-read-only = 本页面只支持 GET。
error-forbidden = 您没有执行此操作的权限。
error-form-malformed = 表单中含有无法读取的内容。
error-form-large = 表单过大。
error-not-a-form = 请求正文不是浏览器提交的表单。
error-signed-in-as = 您当前以 { $name } 的身份登录。
error-sign-in-as-other = 换用其他账号登录
