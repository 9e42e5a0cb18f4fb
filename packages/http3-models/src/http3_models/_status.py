"""Status codes: the IANA registry as an IntEnum, and the reason phrases (RFC 9110 section 15).

Names in lower case are aliases, as are the names of older specifications. 306 and 418 are reserved; 418 has
its name in RFC 2324.

An enum of this size takes over 1 ms to make; the package loads this module when one of its names is used.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class StatusCode(IntEnum):
    """A registered status code: an int with a ``phrase``. ``codes.not_found`` is ``codes.NOT_FOUND``."""

    __module__ = "http3_models"

    phrase: str
    """The reason phrase of the registry."""

    def __new__(cls, value: int, phrase: str = "") -> Self:  # the default is for checkers: StatusCode(404)
        code = int.__new__(cls, value)
        code._value_ = value
        code.phrase = phrase
        return code

    CONTINUE = continue_ = 100, "Continue"
    locals()["continue"] = CONTINUE  # a keyword, so by item alone: codes["continue"]
    SWITCHING_PROTOCOLS = switching_protocols = 101, "Switching Protocols"
    PROCESSING = processing = 102, "Processing"
    EARLY_HINTS = early_hints = 103, "Early Hints"
    UPLOAD_RESUMPTION_SUPPORTED = upload_resumption_supported = 104, "Upload Resumption Supported"

    OK = ok = 200, "OK"
    CREATED = created = 201, "Created"
    ACCEPTED = accepted = 202, "Accepted"
    NON_AUTHORITATIVE_INFORMATION = non_authoritative_information = 203, "Non-Authoritative Information"
    NO_CONTENT = no_content = 204, "No Content"
    RESET_CONTENT = reset_content = 205, "Reset Content"
    PARTIAL_CONTENT = partial_content = 206, "Partial Content"
    MULTI_STATUS = multi_status = 207, "Multi-Status"
    ALREADY_REPORTED = already_reported = 208, "Already Reported"
    IM_USED = im_used = 226, "IM Used"

    MULTIPLE_CHOICES = multiple_choices = 300, "Multiple Choices"
    MOVED_PERMANENTLY = moved_permanently = 301, "Moved Permanently"
    FOUND = found = 302, "Found"
    SEE_OTHER = see_other = 303, "See Other"
    NOT_MODIFIED = not_modified = 304, "Not Modified"
    USE_PROXY = use_proxy = 305, "Use Proxy"
    UNUSED = unused = 306, "Unused"
    TEMPORARY_REDIRECT = temporary_redirect = 307, "Temporary Redirect"
    PERMANENT_REDIRECT = permanent_redirect = 308, "Permanent Redirect"

    BAD_REQUEST = bad_request = 400, "Bad Request"
    UNAUTHORIZED = unauthorized = 401, "Unauthorized"
    PAYMENT_REQUIRED = payment_required = 402, "Payment Required"
    FORBIDDEN = forbidden = 403, "Forbidden"
    NOT_FOUND = not_found = 404, "Not Found"
    METHOD_NOT_ALLOWED = method_not_allowed = 405, "Method Not Allowed"
    NOT_ACCEPTABLE = not_acceptable = 406, "Not Acceptable"
    PROXY_AUTHENTICATION_REQUIRED = proxy_authentication_required = 407, "Proxy Authentication Required"
    REQUEST_TIMEOUT = request_timeout = 408, "Request Timeout"
    CONFLICT = conflict = 409, "Conflict"
    GONE = gone = 410, "Gone"
    LENGTH_REQUIRED = length_required = 411, "Length Required"
    PRECONDITION_FAILED = precondition_failed = 412, "Precondition Failed"
    CONTENT_TOO_LARGE = content_too_large = 413, "Content Too Large"
    REQUEST_ENTITY_TOO_LARGE = request_entity_too_large = 413, "Content Too Large"
    URI_TOO_LONG = uri_too_long = 414, "URI Too Long"
    REQUEST_URI_TOO_LONG = request_uri_too_long = 414, "URI Too Long"
    UNSUPPORTED_MEDIA_TYPE = unsupported_media_type = 415, "Unsupported Media Type"
    RANGE_NOT_SATISFIABLE = range_not_satisfiable = 416, "Range Not Satisfiable"
    REQUESTED_RANGE_NOT_SATISFIABLE = requested_range_not_satisfiable = 416, "Range Not Satisfiable"
    EXPECTATION_FAILED = expectation_failed = 417, "Expectation Failed"
    IM_A_TEAPOT = im_a_teapot = 418, "I'm a teapot"
    MISDIRECTED_REQUEST = misdirected_request = 421, "Misdirected Request"
    UNPROCESSABLE_CONTENT = unprocessable_content = 422, "Unprocessable Content"
    UNPROCESSABLE_ENTITY = unprocessable_entity = 422, "Unprocessable Content"
    LOCKED = locked = 423, "Locked"
    FAILED_DEPENDENCY = failed_dependency = 424, "Failed Dependency"
    TOO_EARLY = too_early = 425, "Too Early"
    UPGRADE_REQUIRED = upgrade_required = 426, "Upgrade Required"
    PRECONDITION_REQUIRED = precondition_required = 428, "Precondition Required"
    TOO_MANY_REQUESTS = too_many_requests = 429, "Too Many Requests"
    REQUEST_HEADER_FIELDS_TOO_LARGE = request_header_fields_too_large = 431, "Request Header Fields Too Large"
    UNAVAILABLE_FOR_LEGAL_REASONS = unavailable_for_legal_reasons = 451, "Unavailable For Legal Reasons"

    INTERNAL_SERVER_ERROR = internal_server_error = 500, "Internal Server Error"
    NOT_IMPLEMENTED = not_implemented = 501, "Not Implemented"
    BAD_GATEWAY = bad_gateway = 502, "Bad Gateway"
    SERVICE_UNAVAILABLE = service_unavailable = 503, "Service Unavailable"
    GATEWAY_TIMEOUT = gateway_timeout = 504, "Gateway Timeout"
    HTTP_VERSION_NOT_SUPPORTED = http_version_not_supported = 505, "HTTP Version Not Supported"
    VARIANT_ALSO_NEGOTIATES = variant_also_negotiates = 506, "Variant Also Negotiates"
    INSUFFICIENT_STORAGE = insufficient_storage = 507, "Insufficient Storage"
    LOOP_DETECTED = loop_detected = 508, "Loop Detected"
    NOT_EXTENDED = not_extended = 510, "Not Extended"
    NETWORK_AUTHENTICATION_REQUIRED = network_authentication_required = 511, "Network Authentication Required"

    @classmethod
    def get_reason_phrase(cls, value: int) -> str:
        """The phrase of a code; "" for one that is not registered."""
        return _PHRASES.get(value, "")

    @classmethod
    def is_success(cls, value: int) -> bool:
        """True for 200 to 299."""
        return 200 <= value <= 299

    @classmethod
    def is_redirect(cls, value: int) -> bool:
        """True for the codes that send a client elsewhere: 301, 302, 303, 307, 308."""
        return value in _REDIRECTS

    @classmethod
    def is_client_error(cls, value: int) -> bool:
        """True for 400 to 499."""
        return 400 <= value <= 499

    @classmethod
    def is_server_error(cls, value: int) -> bool:
        """True for 500 to 599."""
        return 500 <= value <= 599


codes: type[StatusCode] = StatusCode

_PHRASES = {int(code): code.phrase for code in StatusCode}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def get_reason_phrase(code: int) -> str:
    """The phrase of a code; "" for one that is not registered."""
    return _PHRASES.get(code, "")
