# Calls verify.py for each case of a file; see ../verify_test.go.
import base64
import email.message
import sys

from verify import verify

decode = base64.b64decode
for line in open(sys.argv[1], encoding="ascii"):
    secret, body, now, *rest = line.rstrip("\n").split("\t")
    headers = email.message.Message()  # what http.server hands over
    for name, value in zip(rest[::2], rest[1::2]):
        headers[name] = decode(value).decode("latin-1")
    clock = {"now": int(now)} if sys.argv[2] == "clock" else {}
    try:
        print(str(verify(decode(secret).decode(), headers, decode(body), **clock)).lower())
    except Exception as e:
        print(f"error: {e!r}")
