# Flask: verify(os.environ["WEBHOOK_SECRET"], request.headers, request.get_data()) or abort(401)
# Django: the same with request.headers and request.body; FastAPI: with await request.body().

import base64
import hashlib
import hmac
import re
import time

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
TOLERANCE_SECONDS = 5 * 60


def verify(secret, headers, raw_body, now=None):
    """raw_body holds the bytes as received: parsing and writing JSON again changes them."""
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    # The headers of all common servers are looked up without regard to case.
    message_id = headers.get(ID_HEADER) or ""
    timestamp = headers.get(TIMESTAMP_HEADER) or ""
    # Anybody can sign with an empty key; a full stop separates the signed parts.
    if not key or not message_id or "." in message_id or not re.fullmatch("[0-9]{1,12}", timestamp):
        return False
    # An old request may be a recorded one that somebody sends again.
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_SECONDS:
        return False

    signed = f"{message_id}.{timestamp}.".encode() + raw_body
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # While a secret is replaced there are several signatures, one of which must match.
    # Other versions, such as v1a (Ed25519), never do.
    signatures = (headers.get(SIGNATURE_HEADER) or "").split()
    # Constant time: == would tell by its duration how many characters were right.
    return any(hmac.compare_digest(signature.encode(), expected) for signature in signatures)
