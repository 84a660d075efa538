"""Cheap password hashes, for tests only."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class FastPBKDF2(PBKDF2PasswordHasher):
    """Verifies every `pbkdf2_sha256$…`, writes cheap ones, and does not upgrade expensive ones."""

    iterations = 1000

    def must_update(self, encoded: str) -> bool:
        return False
