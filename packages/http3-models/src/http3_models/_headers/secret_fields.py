"""Which header fields carry credentials, and what reprs and pickles show in place of them."""

from __future__ import annotations

import re

SECRET_HEADERS = frozenset(
    {
        "access-token",
        "api-key",
        "api-token",
        "apikey",
        "auth-token",
        "authorization",
        "cf-access-client-secret",
        "cf-access-jwt-assertion",
        "circle-token",
        "cookie",
        "csrf-token",
        "dd-api-key",
        "dd-application-key",
        "deploy-token",
        "job-token",
        "ocp-apim-subscription-key",
        "private-token",
        "proxy-authorization",
        "set-cookie",
        "x-access-token",
        "x-algolia-api-key",
        "x-amz-security-token",
        "x-api-key",
        "x-api-secret",
        "x-api-token",
        "x-apikey",
        "x-auth-key",
        "x-auth-token",
        "x-auth-user-service-key",
        "x-aws-ec2-metadata-token",
        "x-consul-token",
        "x-csrf-token",
        "x-csrftoken",
        "x-figma-token",
        "x-forwarded-access-token",
        "x-functions-key",
        "x-gitlab-token",
        "x-goog-api-key",
        "x-goog-iam-authorization-token",
        "x-hasura-admin-secret",
        "x-honeycomb-team",
        "x-jfrog-art-api",
        "x-nomad-token",
        "x-octopus-apikey",
        "x-parse-master-key",
        "x-parse-rest-api-key",
        "x-plex-token",
        "x-postmark-account-token",
        "x-postmark-server-token",
        "x-rapidapi-key",
        "x-redmine-api-key",
        "x-rundeck-auth-token",
        "x-secret-key",
        "x-secret-token",
        "x-service-token",
        "x-session-token",
        "x-shopify-access-token",
        "x-storage-token",
        "x-subject-token",
        "x-token",
        "x-user-token",
        "x-vault-token",
        "x-xsrf-token",
        "xi-api-key",
    }
)
"""Names, in lower case, of headers with credentials: no repr and no message shows their values, and they are
not sent to another origin after a redirect."""

_USERINFO = re.compile(rb"//[^/?#\s]*@")


def redacted_value(name: bytes, value: bytes) -> bytes:
    """A field's value for reprs and pickles: ``[secure]`` for a secret one, with the name of the cookie in a
    Set-Cookie field; otherwise the value without credentials in URLs."""
    key = name.lower()
    if key == b"set-cookie":
        cookie, equals, _ = value.partition(b";")[0].partition(b"=")
        return cookie + b"=[secure]" if equals else b"[secure]"
    if key.decode("latin-1") in SECRET_HEADERS:
        return b"[secure]"
    return _USERINFO.sub(b"//[secure]@", value)
