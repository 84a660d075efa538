-- Django's own record of the migrations whose result the auth script is: Django goes on after them.
CREATE TABLE django_migrations (
    id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    app varchar(255) NOT NULL,
    name varchar(255) NOT NULL,
    applied datetime NOT NULL
);
INSERT INTO django_migrations (app, name, applied) VALUES
    ('contenttypes', '0001_initial', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('contenttypes', '0002_remove_content_type_name', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('auth', '0001_initial', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('auth', '0002_alter_permission_name_max_length', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('auth', '0003_alter_user_email_max_length', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('auth', '0004_alter_user_username_opts', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('auth', '0005_alter_user_last_login_null', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('auth', '0006_require_contenttypes_0002', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('auth', '0007_alter_validators_add_error_messages', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('auth', '0008_alter_user_username_max_length', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('auth', '0009_alter_user_last_name_max_length', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('auth', '0010_alter_group_name_max_length', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('auth', '0011_update_proxy_permissions', strftime('%Y-%m-%d %H:%M:%f', 'now')),
    ('auth', '0012_alter_user_first_name_max_length', strftime('%Y-%m-%d %H:%M:%f', 'now'));
