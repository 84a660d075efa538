"""Users in Django's tables: their rows, the check of a password, and the mark that ties a session to it."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

import argon2
from psycopg_pool import ConnectionPool

HASH_SALT = b"django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
COLUMNS = "id::text, username, email, password, is_active, is_staff, is_superuser"
PERMISSIONS = """
SELECT DISTINCT app_label || '.' || codename FROM auth_permission p JOIN django_content_type c ON c.id = content_type_id
WHERE %(all)s OR p.id IN (
    SELECT permission_id FROM auth_user_user_permissions WHERE user_id = %(id)s
    UNION SELECT permission_id FROM auth_user_groups JOIN auth_group_permissions USING (group_id) WHERE user_id = %(id)s
) ORDER BY 1"""
GROUPS = "SELECT name FROM auth_user_groups JOIN auth_group g ON g.id = group_id WHERE user_id = %(id)s ORDER BY 1"


@dataclass
class User:
    id: str
    username: str
    email: str
    password: str
    is_active: bool
    is_staff: bool
    is_superuser: bool


Mark = Callable[[User, str], str]


class Users:
    def __init__(self, pool: ConnectionPool, secret_keys: list[str]) -> None:
        self.pool, self.secret_keys = pool, secret_keys

    def find(self, column: str, value: str) -> User | None:
        """By `id::text` or by `username`. Inactive users are not found."""
        sql = f"SELECT {COLUMNS} FROM auth_user WHERE {column} = %s AND is_active"
        with self.pool.connection() as database:
            row = database.execute(sql, [value]).fetchone()
        return User(*row) if row else None

    def authenticate(self, username: str, password: str) -> User | None:
        user = self.find("username", username)
        return user if user and verify(password, user.password) else None

    def of_session(self, user_id: str, mark: str, mark_of: Mark) -> User | None:
        """The user, if the session's mark matches the password, under the secret key or one of the fallbacks."""
        user = self.find("id::text", user_id)
        marks = [mark_of(user, key) for key in self.secret_keys] if user else []
        return user if any(hmac.compare_digest(mark, expected) for expected in marks) else None

    def epoch(self, user_id: str) -> int:
        """Increases when a user signs out everywhere. Only sessions in the native format contain it."""
        with self.pool.connection() as database:
            row = database.execute("SELECT epoch FROM shared_session_epoch WHERE user_id = %s", [user_id]).fetchone()
        return row[0] if row else 0

    def groups_and_permissions(self, user: User) -> tuple[list[str], list[str]]:
        values = {"id": int(user.id), "all": user.is_superuser}
        with self.pool.connection() as database:
            groups, permissions = (database.execute(sql, values).fetchall() for sql in (GROUPS, PERMISSIONS))
        return [name for (name,) in groups], [name for (name,) in permissions]


def native_mark(user: User, secret_key: str) -> str:
    """The mark in the native format. It ties a session to the password, so that a new password ends the session."""
    key = hashlib.sha256(b"session-auth-hash\0" + secret_key.encode()).digest()
    mark = hmac.new(key, user.password.encode(), "sha256").digest()
    return base64.urlsafe_b64encode(mark).rstrip(b"=").decode()


def django_mark(user: User, secret_key: str) -> str:
    """Django's form of the same mark."""
    key = hashlib.sha256(HASH_SALT + secret_key.encode()).digest()
    return hmac.new(key, user.password.encode(), "sha256").hexdigest()


def verify(password: str, encoded: str) -> bool:
    algorithm, _, rest = encoded.partition("$")
    if algorithm == "pbkdf2_sha256":
        iterations, salt, expected = rest.split("$")
        found = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), int(iterations))
        return hmac.compare_digest(base64.b64encode(found).decode(), expected)
    if algorithm == "argon2":
        try:
            return argon2.PasswordHasher().verify("$" + rest, password)
        except argon2.exceptions.VerificationError:
            return False
    return False
