package certificate

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/scout-speech/scout"
)

// maxFileBytes bounds a file that is read: a chain of certificates has a few thousand bytes.
const maxFileBytes = 1 << 20

// Pair is a certificate with its chain and its key.
type Pair struct {
	tls.Certificate
	// Exposed is true where other users may read the file of the key.
	Exposed bool
}

// Names are the names and addresses of the certificate, the names first.
func (p *Pair) Names() []string {
	all := append([]string{}, p.Leaf.DNSNames...)
	for _, ip := range p.Leaf.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

// Fingerprint is the SHA-256 of a certificate, as browsers show it, in lower case and without colons.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// Read reads a certificate, with those that lead to its authority behind it, and its key, both in PEM. They may be one file. Times are
// not looked at: clients do that. The error says what cannot be used, and why.
func Read(certFile, keyFile string) (*Pair, error) {
	if certFile == "" || keyFile == "" {
		return nil, scout.Errorf(scout.CodeConfigInvalid, "tls.mode is files, and tls.cert or tls.key is empty").WithHint("set both: scout settings set tls.cert FILE; scout settings set tls.key FILE")
	}
	chain, _, err := readPEM(certFile, "certificate")
	if err != nil {
		return nil, err
	}
	key, mode, err := readPEM(keyFile, "key")
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, unusable(certFile, keyFile, chain, key, err)
	}
	if pair.Leaf == nil {
		return nil, scout.Errorf(scout.CodeCertificateInvalid, "the certificate in %s cannot be read", certFile)
	}
	if pair.Leaf.IsCA && len(pair.Leaf.DNSNames)+len(pair.Leaf.IPAddresses) == 0 {
		return nil, scout.Errorf(scout.CodeCertificateInvalid, "the first certificate in %s is that of an authority", certFile).WithHint("put that of this machine first, and those that lead to the authority behind it")
	}
	return &Pair{Certificate: pair, Exposed: mode&0o007 != 0}, nil
}

// unusable says why certificate and key are no pair.
func unusable(certFile, keyFile string, chain, key []byte, err error) error {
	block, _ := pem.Decode(key)
	switch {
	case !bytes.Contains(chain, []byte("-----BEGIN CERTIFICATE-----")):
		return scout.Errorf(scout.CodeCertificateInvalid, "there is no certificate in PEM in %s", certFile)
	case block == nil || !bytes.Contains(key, []byte("PRIVATE KEY-----")):
		return scout.Errorf(scout.CodeCertificateInvalid, "there is no private key in PEM in %s", keyFile)
	case bytes.Contains(key, []byte("ENCRYPTED")):
		return scout.Errorf(scout.CodeCertificateInvalid, "the key in %s is encrypted", keyFile).WithHint("decrypt it: openssl pkey -in %s -out KEY", keyFile)
	}
	return scout.Errorf(scout.CodeCertificateInvalid, "the certificate in %s and the key in %s are no pair: %w", certFile, keyFile, err)
}

// readPEM reads a file, and returns its content and mode.
func readPEM(path, what string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, scout.FileError(scout.CodeReadFailed, "read the "+what, err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, 0, scout.FileError(scout.CodeReadFailed, "read the "+what, err)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	switch {
	case err != nil:
		return nil, 0, scout.FileError(scout.CodeReadFailed, "read the "+what, err)
	case len(content) > maxFileBytes:
		return nil, 0, scout.Errorf(scout.CodeCertificateInvalid, "the %s %s has more than %d bytes", what, path, maxFileBytes)
	}
	return content, info.Mode(), nil
}

// readAuthority reads the certificate of an authority.
func readAuthority(path string) (*x509.Certificate, error) {
	content, _, err := readPEM(path, "CA")
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil || block.Type != blockCertificate {
		return nil, scout.Errorf(scout.CodeCertificateInvalid, "there is no certificate in PEM in %s", path)
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, scout.Errorf(scout.CodeCertificateInvalid, "the CA in %s cannot be read: %w", path, err)
	}
	return ca, nil
}

// leads reports whether an authority signed a certificate, whatever the time is.
func leads(ca, leaf *x509.Certificate) error {
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	at := leaf.NotBefore
	if ca.NotBefore.After(at) {
		at = ca.NotBefore
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at.Add(time.Second)})
	return err
}

// absent reports whether an error says that there is no such file.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
