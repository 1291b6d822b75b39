# Flask: verify(os.environ["WEBHOOK_SECRET"], request.headers, request.get_data()) or abort(401)
# Django: the same with request.headers and request.body; FastAPI: with await request.body().

import hashlib
import hmac

SIGNATURE_HEADER = "X-Chatzuri-Signature"
SIGNATURE_PREFIX = "sha256="


def verify(secret, headers, raw_body):
    """raw_body holds the bytes as received: parsing and writing JSON again changes them."""
    if not secret:
        return False  # anybody can sign with an empty key
    # The key is the whole secret, whsec_ included, as UTF-8.
    expected = SIGNATURE_PREFIX + hmac.new(secret.encode(), raw_body, hashlib.sha256).hexdigest()
    # The headers of all common servers are looked up without regard to case.
    received = headers.get(SIGNATURE_HEADER) or ""
    # Constant time: == would tell by its duration how many characters were right.
    return hmac.compare_digest(received.encode(), expected.encode())
