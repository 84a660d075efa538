# English. Every message is plain text: pages escape it. zh-CN.ftl has the same messages with the same variables.

## Every page

skip = Skip to content
nav-main = Main
nav-profile = Profile
nav-devices = My devices
nav-admin = Admin
nav-preferences = Language and theme
sign-in = Sign in
sign-out = Sign out
register = Register
footer-served = Served by site (Actix Web).
footer-api = The same session at api (Axum)
pages = Pages
pages-previous = Previous
pages-next = Next
pages-more = More
pages-position = Page { $page } of { $pages }
to-home = To the home page
none = none
never = never
yes = yes
no = no

## Times

time-now = just now
time-soon = in a moment
time-minutes-ago = { $count ->
    [one] 1 minute ago
   *[other] { $count } minutes ago
}
time-minutes-ahead = { $count ->
    [one] in 1 minute
   *[other] in { $count } minutes
}
time-hours-ago = { $count ->
    [one] 1 hour ago
   *[other] { $count } hours ago
}
time-hours-ahead = { $count ->
    [one] in 1 hour
   *[other] in { $count } hours
}
time-days-ago = { $count ->
    [one] 1 day ago
   *[other] { $count } days ago
}
time-days-ahead = { $count ->
    [one] in 1 day
   *[other] in { $count } days
}
time-months-ago = { $count ->
    [one] 1 month ago
   *[other] { $count } months ago
}
time-months-ahead = { $count ->
    [one] in 1 month
   *[other] in { $count } months
}
time-years-ago = { $count ->
    [one] 1 year ago
   *[other] { $count } years ago
}
time-years-ahead = { $count ->
    [one] in 1 year
   *[other] in { $count } years
}

## Browsers

browser-on = { $browser } on { $system }
browser-named = { $browser }
browser-unknown = Unknown browser

## Home

home-title = Home
home-greeting = Welcome
home-nobody = You are not signed in.
home-or-register = or register
home-idea = One login, many services. Two programs in different frameworks share this session: what one writes, the other reads.
home-try = Write something at api and see it appear at site. Sign out at one and watch the other.
home-views = Your session, as each service sees it
home-views-how = As it was when this page was loaded; reload to see it change.
home-live = Live: what changes shows here within a second.
home-write = Write at api, read at site
home-note = A few words
home-write-button = Write it at api
home-sign-out-site = Sign out at site
home-sign-out-site-as = Sign out { $name } at site
home-sign-out-api = Sign out at api
picture-title = A browser sends one cookie to two services, site and api; both keep the session in one store.
picture-browser = Browser
picture-cookie = one cookie
picture-store = One store
view-at-site = At site
view-at-api = At api
view-user = Signed in
view-nobody = nobody
view-handle = Public id
view-created = Started
view-expires = Expires
view-entries = Entries
view-hidden = (not shown)
home-counter = One counter, two services
home-visits = visits in this session, counted here and by POST /api/visits
home-no-session = No session yet: looking around does not start one. Signing in does.
home-count = Count one at the API
home-login = One login, two services
home-login-how = Sign in or out here, and the API knows. Sign out there, and this page knows.
home-link-me = Who the API thinks you are
home-link-session = What the API sees of the session
home-link-docs = All of the API
home-script-failed = That did not work. Reload the page and try again.

## Preferences

preferences-title = Language and theme
preferences-heading = Preferences
preferences-how = Written by the API, read by this page.
preferences-here = They are two entries of your session, so both services know them.
preferences-theme = Theme
preferences-theme-system = As the system
preferences-theme-light = Light
preferences-theme-dark = Dark
preferences-language = Language
preferences-language-auto = As the browser
preferences-save = Save

## Signing in, up and out

login-title = Sign in
login-username = User name
login-password = Password
login-remember = Keep me signed in on this device
login-demo = This is a demonstration: sign in as { $name } with { $password }.
login-no-account = No account yet?
login-too-many = { $count ->
    [one] There were too many attempts. Please try again in a minute.
   *[other] There were too many attempts. Please try again in { $count } minutes.
}
login-wrong = The user name or the password is wrong. Please try again.
login-ended = Your session has ended. Please sign in again.
about-title = One login, two services
about-both = Sign in once, and site and api both know you: they share one session.
about-out = Sign out at either of them, and you are signed out at both.
about-devices = You see every device that is signed in as you, and can sign it out.
about-account = The account works at once at site and at api.
about-password = Your password is stored only as a slow hash, so it cannot be read.
about-kept = What you chose before, such as theme and language, stays with you.
register-title = Register
register-username-hint = Letters, digits and @ . + - _
register-email = E-mail address
register-optional = (optional)
register-password-hint = At least 8 characters; a long one is a good one.
register-again = The same password again
register-already = Registered already?
register-taken = This user name is taken. Please choose another one.
register-email-taken = There is an account with this e-mail address already.
register-name-impossible = This user name cannot be used.
register-closed = Registration is closed.
sign-out-still = You are still signed in as { $name }.
sign-out-already = You are not signed in any more.

## Forms

form-check = Please check what you entered
form-old = The page was too old to be used. Please try again.
form-no-cookie = Your browser did not send the cookie that belongs to this page. Please try again. If you see this once more, allow cookies for this site.
form-email-needed = Please give your e-mail address: it is what you sign in with.
form-email-wrong = This is not an e-mail address.
form-passwords-differ = The two passwords are not the same.
username-empty = Please choose a user name.
username-long = The user name is too long; 150 characters are the limit.
username-letters = A user name may hold letters, digits and @ . + - _ only.
username-invisible = The user name contains an invisible letter.
username-scripts = The user name mixes letters of several alphabets, which look alike; please use one.
password-empty = Please choose a password that is not only spaces.
password-short = The password is too short; it needs at least 8 characters.
password-long = The password is too long.
password-digits = The password must not consist of digits only.
password-similar = The password is too easy to guess from your user name or address.
password-common = Many people have this password; please choose another one.

## The account

confirm-title = Confirm your password
confirm-why = You signed in some time ago. What you want to do needs your password once more; you stay signed in, and nothing is lost.
confirm-go-on = Go on

password-title = Change your password
password-effect = You stay signed in here. Every other device is signed out.
password-current = Current password
password-new = New password
password-new-again = The new password again
password-change = Change password
password-wrong = This is not your current password.
password-same = This is your current password; please choose another one.
profile-title = Profile
profile-joined = Registered
profile-signed-in = Signed in
profile-role = Role
profile-groups = Groups
profile-permissions = Permissions
role-superuser = Superuser
role-staff = Staff
role-user = User
devices-title = My devices
devices-how = Where you are signed in. Something you do not know? Sign it out and change your password.
devices-this = this one
devices-signed-in = signed in { $when }
devices-elsewhere = signed in at another service
devices-last-seen = last seen { $when }
devices-sign-out = Sign out { $browser }
devices-sign-out-this = Sign out { $browser }, this device
devices-others = Sign out everywhere else

## What has happened

notice-confirmed = Thank you. Now you can go on: please do it once more.
notice-password-changed = Your password was changed. Every other device is signed out.
notice-device-signed-out = The device is signed out.
notice-others-signed-out = Every other device is signed out.
notice-preferences-saved = Your preferences are saved.
notice-group-added = The group was added. Now give it its permissions.
notice-group-changed = The group was changed.
notice-group-deleted = The group was deleted.
notice-user-changed = The user was changed.
notice-user-signed-out = The user is signed out everywhere.
notice-session-ended = The session has ended.

## Administration

admin-title = Admin
admin-overview = Overview
admin-users = Users
admin-groups = Groups
admin-sessions = Sessions
admin-count-users = Users
admin-count-sessions = Live sessions
admin-count-signed-in = Users signed in
admin-count-loads = Sessions read
admin-count-commits = Session writes
admin-count-merged = Merged writes
admin-note-at-least = at least; counting stopped there
admin-note-process = by this process since its start
admin-note-merged = concurrent writes that were merged without loss
admin-search-label = Name or e-mail address
admin-search = Search
admin-users-total = { $count ->
    [one] 1 user
   *[other] { $count } users
}
admin-users-found = { $count ->
    [one] 1 user found
   *[other] { $count } users found
}
admin-only = Show
admin-only-everybody = everybody
admin-only-active = active users
admin-only-inactive = inactive users
admin-only-staff = staff
admin-only-superusers = superusers
admin-order = Sorted by
admin-incomplete = There are too many to look at all of them: search for a name first.
admin-show-all = show all
admin-name = Name
admin-email = E-mail address
admin-active = Active
admin-staff = Staff
admin-superuser = Superuser
admin-last-login = Last login
admin-not-yours = You may not change this user.
admin-yourself = This is you: here you cannot change yourself.
admin-activate = Activate
admin-deactivate = Deactivate
admin-make-staff = Make staff
admin-no-staff = Remove from staff
admin-sign-out-everywhere = Sign out everywhere
admin-live-sessions = Live sessions
admin-session = Session
admin-user = User
admin-browser = Browser
admin-address = Address
admin-started = Started
admin-last-seen = Last seen
admin-actions = Actions
admin-sign-out-session = Sign out session { $handle }
admin-nothing = None.
admin-anonymous = anonymous
user-removed = user { $id }, removed
user-unreadable = user { $id } (unreadable)
user-nameless = user { $id }
user-named = { $name }
admin-make-superuser = Make superuser
admin-no-superuser = Remove superuser status
admin-set-password = Set a password
admin-ask-deactivate = Every session of this user ends now, and the user cannot sign in until somebody activates them again.
admin-ask-staff = The user can then enter these pages and look at every user and session.
admin-ask-no-staff = The user can then no longer enter these pages.
admin-ask-superuser = The user can then do everything, also to you.
admin-ask-no-superuser = The user then has only the permissions that were given.
admin-ask-password = Every session of this user ends now. Tell the new password in person.
admin-ask-sign-out = Every session of this user ends now. The user can sign in again.
admin-ask-many = { $count ->
    [one] Sign out 1 session?
   *[other] Sign out { $count } sessions?
}
admin-ask-many-effect = They end now. Their users can sign in again.
admin-cancel = Cancel
admin-choice = Choice
admin-pick = Choose session { $handle }
admin-sign-out-chosen = Sign out the chosen sessions
admin-filter-user = User name or id
admin-filter-address = Address starts with
admin-filter-age = Started
admin-age-any = at any time
admin-age-hour = in the last hour
admin-age-day = in the last day
admin-age-over-day = more than a day ago
admin-age-over-week = more than a week ago
admin-count-refused = Refused revivals
admin-note-refused = writes of sessions that had ended or were renewed
chart-started = Live sessions by the hour they started (UTC)
chart-latency = Calls to the store by the time they took
chart-empty = Nothing to show yet.
chart-most = The highest bar is { $count }.
notice-password-set = The password was set. The user is signed out everywhere.
notice-sessions-ended = The chosen sessions have ended.
admin-rights = Groups and permissions
admin-rights-of = Groups and permissions of { $name }
admin-rights-how = A user has the permissions of every group that is ticked, and those that are ticked below.
admin-rights-superuser = This user is a superuser and has every permission, whatever is ticked.
admin-rights-not-yours = You can neither give nor take what you do not have yourself.
admin-rights-alone = Permissions of this user alone
admin-rights-no-groups = There are no groups yet.
admin-rights-no-permissions = There are no permissions yet.
admin-rights-chosen = { $chosen } of { $all }
admin-rights-next = Continue
admin-rights-ask = Change groups and permissions of { $name }?
admin-rights-joins = Joins these groups
admin-rights-leaves = Leaves these groups
admin-rights-gets = Gets these permissions
admin-rights-loses = Loses these permissions
admin-rights-effect = It takes effect with the user's next request, at every service.
admin-rights-change = Change
admin-groups-how = A group gives its members what it may do. A user can be in several.
admin-group-of = Group { $name }
admin-group-name = Name
admin-group-add = Add a group
admin-group-rename = Rename
admin-group-new-name = New name
admin-group-delete = Delete
admin-group-members = { $count ->
    [0] Nobody is a member of it.
    [one] 1 user is a member of it.
   *[other] { $count } users are members of it.
}
admin-ask-group-delete = { $count ->
    [0] The group has no members. It cannot be brought back.
    [one] 1 user leaves it and loses what only this group gives. It cannot be brought back.
   *[other] { $count } users leave it and lose what only this group gives. It cannot be brought back.
}
admin-group-not-yours = You may not change what this group may do.
admin-group-permissions = Permissions of the group
admin-group-ask = Change the permissions of the group { $name }?
admin-group-effect = It takes effect with each member's next request, at every service.
group-name-missing = Please give the group a name.
group-name-long = The name has more than 150 characters.
group-name-unreadable = The name holds characters that cannot be shown.
group-name-taken = There is a group of this name already.
group-kept = The database refuses to delete this group: other data may depend on it.
refused-groups = You may view groups, but not do this.
refused-secrets = Only superusers may make superusers or set passwords.
admin-log = Log
admin-log-title = What staff did
admin-log-how = Every action is written down before it is done.
admin-log-elsewhere = The database is Django's and gets no table for this; the log of the service has every action.
admin-log-when = When
admin-log-who = Who
admin-log-what = What
admin-log-whom = User, group or session
log-activate = activated
log-deactivate = deactivated
log-make-staff = made staff
log-remove-staff = removed from staff
log-make-superuser = made superuser
log-remove-superuser = removed superuser status
log-set-password = set the password
log-sign-out = signed out everywhere
log-end-session = ended a session
log-add-to-groups = added to groups
log-remove-from-groups = removed from groups
log-give-permissions = gave permissions
log-add-group = added the group
log-rename-group = renamed the group
log-delete-group = deleted the group
log-give-group-permissions = gave the group permissions
log-take-group-permissions = took permissions from the group
log-take-permissions = took permissions
log-unknown = { $action }
refused-yourself = You cannot do this to yourself.
refused-permission = You may view users, but not change them.
refused-superusers = Only superusers may change superusers.
refused-grants = You can neither give nor take what you do not have yourself.
refused-staff = Only superusers may make staff, take that away, or activate staff.
refused-no-mark = The user table of this site does not support this.
refused-no-groups = The users of this site have no groups and no permissions.

## Errors: a title, what happened, and what helps

error-400-title = The request was not understood
error-400-advice = Go back, reload the page and try again.
error-401-title = Please sign in
error-401-advice = Sign in and try again.
error-403-title = Not allowed
error-403-advice = If you should be allowed to do this, sign in as the user who is.
error-404-title = Not found
error-404-advice = Check the address, or start from the home page.
error-405-title = Not possible this way
error-405-advice = Go back and use the button on the page.
error-409-title = Your session changed
error-413-title = Too large
error-413-advice = Go back and send less.
error-500-title = Something went wrong
error-500-advice = Try again. If that does not help, sign in anew.
error-503-title = Temporarily unavailable
error-503-advice = Wait a moment and try again. If you were signed in, you still are.
error-nothing-here = There is nothing here, or it is no longer there.
error-bad-request = The form or the address holds something that cannot be read.
error-not-shown = The page cannot be shown.
error-no-page = There is no such page.
error-no-method = This address does not support that method.
error-client = The request cannot be answered.
error-service = The service failed to answer.
error-unchanged-here = Nothing was changed. Open the page here and try again.
error-unchanged-sign-in = Nothing was changed. Sign in and try again.
error-unchanged-reload = Nothing was changed. Go back, reload the page and try again.
error-cross-site-title = Not from here
error-cross-site = A page of another site sent this request.
error-origin-title = Not from this address
error-origin = This service does not accept forms from the address that you used.
error-origin-advice = Nothing was changed. Open the service under its usual address. If that is the one you used, tell those who run the service: its address is missing in the settings.
error-unclear = The browser does not say clearly which page sent this request.
error-stale-form-title = The page was too old
error-stale-form-advice = Nothing was changed. You may be signed out by now: sign in, open the page again and try once more.
error-renewed-title = Your session was renewed
error-renewed = Your session was renewed while the request ran, for example by signing in.
error-gone-title = Your session has ended
error-gone = Your session ended while the request ran.
error-too-long-ago = This action needs a recent sign-in. Please confirm your password first.
error-ended = Your session has ended. Please sign in.
error-no-session-cookie = No session cookie was sent. Please sign in.
error-not-signed-in = Please sign in.
error-full-title = Your session is full
error-full = Your session has reached its size limit.
error-full-advice = Nothing was stored. Remove some preferences, or sign out to start with an empty session.
error-unavailable = The service is temporarily unavailable.
error-unavailable-read = This page cannot be loaded at the moment.
error-again = Try again
error-unavailable-advice = Wait a moment, check whether your change was made, and try again if not.
error-superseded-title = Your password was changed already
error-superseded = Your password was changed by another request while this one ran.
error-superseded-advice = This change was not made. Sign in with the password that was set. If you did not set it, ask those who run the service for help.
error-unreadable = Your session cannot be read. Please sign in again.
error-conflict = Another request was faster. Please try again.
error-read-only = This page supports GET only.
error-forbidden = You are not allowed to do this.
error-form-malformed = The form contains a field that cannot be read.
error-form-large = The form is too large.
error-not-a-form = The body is not a form as browsers send it.
error-signed-in-as = You are signed in as { $name }.
error-sign-in-as-other = Sign in as somebody else
