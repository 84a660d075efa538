"""A site that reads and writes its session, mostly as JSON so that a test can look at it."""

import datetime
import decimal
import json
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.utils.safestring import SafeString
from django.views.decorators.csrf import csrf_exempt

View = Callable[..., HttpResponse]

OBJECTS: dict[str, Any] = {
    "object.datetime": datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc),
    "object.decimal": decimal.Decimal("19.90"),
    "object.tuple": (1, "two", None),
    "object.set": {"one"},
    "object.safe": SafeString("<b>safe</b>"),
    "object.uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
    "object.bytes": b"\x00\xff",
    "object.big": 2**80,
    "object.repeated": ["again"] * 50,
}


def api(view: View) -> View:
    """A view for scripts. It needs no CSRF token because it accepts nothing that a form of another site could send."""

    @csrf_exempt
    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in ("GET", "HEAD") and request.content_type != "application/json":
            return JsonResponse({"error": "send application/json"}, status=415)
        return view(request, *args, **kwargs)

    return checked


class LoginForm(LoginView):
    """Django's own login, as a page with a form."""

    template_name = "admin/login.html"
    next_page = "/me"


@api
def login_json(request: HttpRequest) -> HttpResponse:
    user = authenticate(request, **json.loads(request.body))
    if user is None:
        return JsonResponse({"error": "wrong user name or password"}, status=401)
    login(request, user)
    return JsonResponse({"username": user.get_username()})


@api
def logout_json(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse(status=204)


@api
def me(request: HttpRequest) -> HttpResponse:
    user = request.user
    if not user.is_authenticated:
        return JsonResponse({"error": "not signed in"}, status=401)
    return JsonResponse(
        {
            "id": str(user.pk),
            "username": user.get_username(),
            "email": user.email,
            "is_staff": user.is_staff,
            "is_superuser": user.is_superuser,
            "groups": sorted(user.groups.values_list("name", flat=True)),
            "permissions": sorted(user.get_all_permissions()),
        }
    )


@api
def change_password(request: HttpRequest) -> HttpResponse:
    request.user.set_password(json.loads(request.body)["password"])
    request.user.save()
    update_session_auth_hash(request, request.user)
    return HttpResponse(status=204)


@api
def session_entry(request: HttpRequest, name: str) -> HttpResponse:
    if request.method == "PUT":
        request.session[name] = json.loads(request.body)
        return HttpResponse(status=204)
    if request.method == "DELETE":
        request.session.pop(name, None)
        return HttpResponse(status=204)
    if name not in request.session:
        return JsonResponse({"error": "no such entry"}, status=404)
    return JsonResponse(request.session[name], safe=False)


@api
def visits(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})


@api
def python_objects(request: HttpRequest) -> HttpResponse:
    """POST stores objects of Python types in the session; GET reports whether they are all unchanged."""
    if request.method == "POST":
        request.session.update(OBJECTS)
        return HttpResponse(status=204)
    found = {name: request.session.get(name) for name in OBJECTS}
    same = all(found[name] == value and type(found[name]) is type(value) for name, value in OBJECTS.items())
    return JsonResponse({"same": same})


@api
def cycle_key(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    return HttpResponse(status=204)


@api
def expiry(request: HttpRequest) -> HttpResponse:
    """PUT takes what `set_expiry` takes: seconds, null for the default, or {"in": seconds} for a point in time."""
    if request.method == "PUT":
        value = json.loads(request.body)
        ends = datetime.timedelta(seconds=value["in"]) if isinstance(value, dict) else value
        request.session.set_expiry(ends)
    closes = request.session.get_expire_at_browser_close()
    return JsonResponse({"age": request.session.get_expiry_age(), "closes": closes})


@api
def messages_json(request: HttpRequest) -> HttpResponse:
    """POST leaves a message for the next page; GET takes all."""
    if request.method == "POST":
        messages.success(request, json.loads(request.body)["text"])
        return HttpResponse(status=204)
    return JsonResponse({"messages": [str(message) for message in messages.get_messages(request)]})


def form(request: HttpRequest) -> HttpResponse:
    """A page with a form, and what takes it: 403 unless the token is the visitor's own."""
    if request.method == "POST":
        return JsonResponse({"accepted": request.POST.get("text", "")})
    return JsonResponse({"csrfmiddlewaretoken": get_token(request)})
