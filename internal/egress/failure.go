package egress

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// The texts of failed attempts. They are fixed: see Error.
const (
	textNoSuchHost      = "the host name has no address"
	textDNSFailed       = "the host name could not be resolved"
	textConnect         = "the receiver did not accept a connection"
	textTimeoutDNS      = "the time limit passed while the host name was being resolved"
	textTimeoutConnect  = "the time limit passed while connecting"
	textTimeoutTLS      = "the time limit passed during the TLS handshake"
	textTimeoutExchange = "the time limit passed before the response headers were complete"
	textTLS             = "the TLS handshake failed"
	textTLSName         = "the receiver's certificate is not valid for this host name"
	textTLSExpired      = "the receiver's certificate has expired or is not valid yet"
	textTLSAuthority    = "the receiver's certificate is not signed by a trusted authority"
	textTLSCertificate  = "the receiver's certificate is not valid"
	textTLSNotSpoken    = "the receiver does not speak TLS on this port"
	textTLSRefused      = "the receiver refused the TLS handshake, or speaks no TLS 1.2 or later"
	textLost            = "the connection was closed before the response headers were complete"
	textBadResponse     = "the answer is not a valid HTTP/1.x response, or its headers are too large"
	textBadStatus       = "the answer has a version or a status that was not asked for or that HTTP does not define"
	textCanceled        = "the attempt was canceled"
	textBadRequest      = "the request was not sent: its method or headers are not valid"
)

// failed turns the error of a dial, or of the exchange on conn, into the closed
// set. The order matters: what our own dial said is exact; then, an ended
// context is the cause of whatever the connection reports; then the kinds of
// broken connections.
func (cl *call) failed(conn *conn, err error) *Error {
	var e *Error
	known := errors.As(err, &e)
	switch {
	case known && e.Class == ClassBlocked:
		return e
	case cl.caller.Err() != nil:
		return failure(ClassCanceled, textCanceled)
	case known:
		return e
	case time.Until(cl.deadline) <= 0:
		return failure(ClassTimeout, timeoutText(cl.phase))
	case isAlert(err):
		return failure(ClassTLS, textTLSRefused)
	case conn == nil, !conn.answered, isLost(err):
		return failure(ClassConnectionLost, textLost)
	}
	return failure(ClassBadResponse, textBadResponse)
}

func timeoutText(at phase) string {
	switch at {
	case phaseDNS:
		return textTimeoutDNS
	case phaseConnect:
		return textTimeoutConnect
	case phaseTLS:
		return textTimeoutTLS
	}
	return textTimeoutExchange
}

// isLost reports whether the connection ended, as opposed to having carried
// something that is not HTTP.
func isLost(err error) bool {
	var op *net.OpError
	var errno syscall.Errno
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &op) || errors.As(err, &errno)
}

// isAlert reports whether the TLS layer ended the connection after the
// handshake was complete on our side: a server that wants a client certificate
// says so only then in TLS 1.3.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error")
}

func tlsText(err error) string {
	var (
		host      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &host):
		return textTLSName
	case errors.As(err, &authority):
		return textTLSAuthority
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return textTLSExpired
	case errors.As(err, &invalid), errors.As(err, &verify):
		return textTLSCertificate
	case errors.As(err, &record):
		return textTLSNotSpoken
	case isAlert(err):
		return textTLSRefused
	}
	return textTLS
}
