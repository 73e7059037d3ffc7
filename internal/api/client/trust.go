package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// trusting is how a server is trusted: by the authorities of the system, and those in a file, if one is named.
func trusting(file string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return config, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read the CA "+file, err)
	}
	if config.RootCAs, err = x509.SystemCertPool(); err != nil {
		config.RootCAs = x509.NewCertPool() // a machine without any
	}
	if !config.RootCAs.AppendCertsFromPEM(content) {
		return nil, scout.Errorf(scout.CodeCertificateInvalid, "there is no certificate in PEM in %s", file).WithHint("on the machine of --server: scout tls ca")
	}
	return config, nil
}

// distrusted says why a server was not trusted and what to do about it; nil where that was not the reason.
func (c *Client) distrusted(err error) error {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var plain tls.RecordHeaderError
	refuse := func(format string, args ...any) *scout.Error {
		return scout.Errorf(scout.CodeCertificateInvalid, format, args...)
	}
	switch {
	case errors.As(err, &plain), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return refuse("%s does not speak TLS", c.where).WithHint("use http://, or turn TLS on there: scout settings set tls.mode auto; then: scout serve restart")
	case errors.As(err, &authority):
		return refuse("nobody here knows who certified %s", c.where).WithHint("on that machine, scout tls ca prints the file of its CA: copy it here and name it with --ca FILE")
	case errors.As(err, &name):
		called := c.where
		if at, err := url.Parse(c.where); err == nil {
			called = at.Hostname()
		}
		names := append([]string{}, name.Certificate.DNSNames...)
		for _, ip := range name.Certificate.IPAddresses {
			names = append(names, ip.String())
		}
		return refuse("the certificate of %s is not for %s", c.where, called).
			WithHint("call that machine by a name that it has: %s; or add the name there: scout settings set http.allowed_hosts NAME; then: scout serve restart", strings.Join(names, ", "))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(invalid.Cert.NotBefore):
		return refuse("the certificate of %s begins on %s", c.where, invalid.Cert.NotBefore.Local().Format(time.DateOnly)).WithHint("check the clocks of both machines: date")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return refuse("the certificate of %s ended on %s", c.where, invalid.Cert.NotAfter.Local().Format(time.DateOnly)).
			WithHint("on that machine: scout tls show; renew the files of tls.cert and tls.key, or with tls.mode auto: scout tls renew")
	case errors.As(err, &invalid):
		return refuse("the certificate of %s cannot be trusted: %w", c.where, invalid).WithHint("on that machine: scout tls show")
	}
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Op == "remote error" { // crypto/tls has no type for an alert
		return refuse("%s did not finish the handshake of TLS: %w", c.where, operation.Err).WithHint("on that machine: scout health says what is wrong with its certificate")
	}
	return nil
}
