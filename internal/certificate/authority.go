package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
)

// Files in the folder of Scout's own CA. The pair is one file, so that certificate and key are replaced in one step.
const (
	caName    = "ca.pem"
	pairName  = "server.pem"
	caKeyName = "ca-key.pem"
)

// CAFile is the path of the certificate of Scout's own CA in its folder.
func CAFile(dir string) string { return filepath.Join(dir, caName) }

// PairFile is the path of the certificate and key that the CA made.
func PairFile(dir string) string { return filepath.Join(dir, pairName) }

// Kinds of blocks in PEM.
const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
)

// Lifetimes; docs/adr/0106-tls.md says why. A CA whose key is gone ends with the one certificate that it signed, and the next one must be trusted
// anew: both last as long as every client allows, which is 825 days (Apple). With its key kept, the CA lasts ten years, and its certificates a year.
const (
	day           = 24 * time.Hour
	onceLasts     = 820 * day
	caLasts       = 3650 * day
	renewedLasts  = 365 * day
	skew          = time.Hour // clocks of clients may be late
	renewedBefore = 30 * day  // with the same CA: nobody notices
	remadeBefore  = 7 * day   // with a new CA: as late as is safe
	// toldBefore is from when on health tells of an end that costs trust.
	toldBefore = 30 * day
)

// Names are what a certificate is for.
type Names struct {
	DNS []string
	IP  []netip.Addr
}

// with returns the names of both, each once, in their order.
func (n Names) with(more Names) Names {
	var all Names
	for _, name := range slices.Concat(n.DNS, more.DNS) {
		if !slices.Contains(all.DNS, name) {
			all.DNS = append(all.DNS, name)
		}
	}
	for _, ip := range slices.Concat(n.IP, more.IP) {
		if ip = ip.Unmap().WithZone(""); !slices.Contains(all.IP, ip) {
			all.IP = append(all.IP, ip)
		}
	}
	return all
}

// missing are the names that a certificate has not.
func (n Names) missing(leaf *x509.Certificate) []string {
	var missing []string
	for _, name := range n.DNS {
		if leaf.VerifyHostname(name) != nil {
			missing = append(missing, name)
		}
	}
	for _, ip := range n.IP {
		if leaf.VerifyHostname(ip.Unmap().WithZone("").String()) != nil {
			missing = append(missing, ip.String())
		}
	}
	return missing
}

// authority is a CA with its key.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// newAuthority makes a CA that can sign for these names alone. Only where one of them is below another it can sign for everything below that one:
// what is excluded cannot be permitted again.
func newAuthority(names Names, called string, now time.Time, lasts time.Duration) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Scout on " + called + ", " + now.UTC().Format(time.DateOnly), Organization: []string{"Scout"}},
		NotBefore: now.Add(-skew), NotAfter: now.Add(lasts), BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: names.DNS,
	}
	for _, name := range names.DNS { // a permitted name permits what is below it, too (RFC 5280, 4.2.1.10), which matters for a machine called dev
		if below := "." + name; !slices.ContainsFunc(names.DNS, func(other string) bool { return strings.HasSuffix(other, below) }) {
			template.ExcludedDNSDomains = append(template.ExcludedDNSDomains, below)
		}
	}
	for _, ip := range names.IP {
		template.PermittedIPRanges = append(template.PermittedIPRanges, &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(ip.BitLen(), ip.BitLen())})
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	ca, err := x509.ParseCertificate(raw)
	return &authority{ca, key}, err
}

// sign makes a certificate and its key, in PEM.
func (a *authority) sign(names Names, now time.Time, lasts time.Duration) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	end := now.Add(lasts)
	if a.certificate.NotAfter.Before(end) {
		end = a.certificate.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: names.DNS[0], Organization: []string{"Scout"}}, NotBefore: now.Add(-skew), NotAfter: end, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: names.DNS,
	}
	for _, ip := range names.IP {
		template.IPAddresses = append(template.IPAddresses, ip.AsSlice())
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return slices.Concat(inPEM(blockCertificate, raw), inPEM(blockKey, secret)), nil
}

// serial is a number that no other certificate has.
func serial() *big.Int {
	var random [16]byte
	_, _ = rand.Read(random[:]) // it never fails
	random[0] &= 0x7f           // RFC 5280, 4.1.2.2: positive, at most 20 bytes
	return new(big.Int).SetBytes(random[:])
}

func inPEM(kind string, content []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
}

// keptAuthority is the CA whose key was kept, if it can sign for these names for long enough; nil if not. The error says that a file cannot be read
// now: it may be good.
func keptAuthority(dir string, names Names, now time.Time) (*authority, error) {
	ca, err := readAuthority(CAFile(dir))
	if err != nil {
		return nil, unlessUseless(err)
	}
	content, _, err := readPEM(caKeyFile(dir), "key of the CA")
	if err != nil {
		return nil, unlessUseless(err)
	}
	key, is := caKey(content)
	if !is || !key.PublicKey.Equal(ca.PublicKey) || ca.NotBefore.After(now) || ca.NotAfter.Before(now.Add(2*renewedBefore)) || !permits(ca, names) {
		return nil, nil
	}
	return &authority{ca, key}, nil
}

// caKey is the key of a CA out of the content of its file.
func caKey(content []byte) (*ecdsa.PrivateKey, bool) {
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, false
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, false
	}
	key, is := parsed.(*ecdsa.PrivateKey)
	return key, is
}

// useless reports whether an error says that there is no such file, or that its content is wrong. Any other one may be of the moment (no open files
// left, a disk that does not answer) or of the rights to the file: trust is not to be lost for it.
func useless(err error) bool { return absent(err) || scout.CodeOf(err) == scout.CodeCertificateInvalid }

func unlessUseless(err error) error {
	if useless(err) {
		return nil
	}
	return err
}

// permits reports whether the constraints of a CA have all of these names.
func permits(ca *x509.Certificate, names Names) bool {
	for _, name := range names.DNS {
		if !slices.Contains(ca.PermittedDNSDomains, name) {
			return false
		}
	}
	for _, ip := range names.IP {
		if !slices.ContainsFunc(ca.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip.AsSlice()) }) {
			return false
		}
	}
	return true
}

// permitted are the names for which a CA can sign.
func permitted(ca *x509.Certificate) Names {
	n := Names{DNS: ca.PermittedDNSDomains}
	for _, ips := range ca.PermittedIPRanges {
		if ip, is := netip.AddrFromSlice(ips.IP); is {
			n.IP = append(n.IP, ip)
		}
	}
	return n
}

// makePair writes a new certificate into the folder, signed by the CA whose key was kept, or by a new one, whose key is written only where it is
// to be kept. renewed is true where the CA is the same.
//
//	anew  a person demands it: the certificate is to have all names of now, also if that takes a new CA
func (o *Options) makePair(anew bool) (renewed bool, err error) {
	now, names := o.Now(), o.Wanted.with(o.Called)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return false, scout.FileError(scout.CodeWriteFailed, "make the folder "+o.Dir, err)
	}
	lasts := onceLasts
	var ca *authority
	if o.KeepCAKey {
		demanded := o.Wanted
		if anew {
			demanded = names
		}
		lasts = renewedLasts
		if ca, err = keptAuthority(o.Dir, demanded, now); err != nil {
			return false, err
		}
	}
	if renewed = ca != nil; !renewed {
		caFor := onceLasts
		if o.KeepCAKey {
			caFor = caLasts
		}
		if ca, err = newAuthority(names, o.name(), now, caFor); err != nil {
			return false, scout.Errorf(scout.CodeInternal, "make a CA: %w", err)
		}
	} else if !anew {
		names = o.Wanted.with(permitted(ca.certificate)) // an address that the machine has got since is not worth the trust of all clients
	}
	pair, err := ca.sign(names, now, lasts)
	if err != nil {
		return false, scout.Errorf(scout.CodeInternal, "make a certificate: %w", err)
	}
	if renewed {
		return true, o.private(pairName, pair, nil)
	}
	return false, o.write(ca, pair)
}

// name is what the CA is called by, so that people can tell those of several machines apart.
func (o *Options) name() string {
	if len(o.Called.DNS) > 0 {
		return o.Called.DNS[0]
	}
	return o.Wanted.DNS[0]
}

// write writes a new CA, its key where it is kept, and its certificate. Each file is on the disk before the first one gets its name: a disk that is
// full leaves the files of before, which belong together.
func (o *Options) write(ca *authority, pair []byte) error {
	first := func(string) error { return o.private(caName, inPEM(blockCertificate, ca.certificate.Raw), nil) }
	if o.KeepCAKey {
		secret, err := x509.MarshalPKCS8PrivateKey(ca.key)
		if err != nil {
			return scout.Errorf(scout.CodeInternal, "make a CA: %w", err)
		}
		theCA := first
		first = func(string) error { return o.private(caKeyName, inPEM(blockKey, secret), theCA) }
	}
	return o.private(pairName, pair, first)
}

// private writes a file for nobody else.
//
//	before  runs when the content is on the disk, under another name
func (o *Options) private(name string, content []byte, before func(string) error) error {
	return atomicfile.Write(filepath.Join(o.Dir, name), content, atomicfile.Options{Mode: atomicfile.Private, ExactMode: true, Check: before, System: o.System})
}

func caKeyFile(dir string) string { return filepath.Join(dir, caKeyName) }

// forgetKey removes the key of the CA, which is no longer to be kept.
func forgetKey(dir string) error {
	err := os.Remove(caKeyFile(dir))
	if err == nil || absent(err) {
		return nil
	}
	return scout.FileError(scout.CodeWriteFailed, "remove the key of the CA", err)
}

// Forget removes what tls.mode = auto left and nothing uses now, and returns the files that are gone. Where clients are shown another certificate,
// that is all of it: a CA that can sign nothing any more misleads whoever is pointed to it, and the key of its certificate is a secret. A CA whose key
// the person wants to be kept (tls.keep_ca_key) stays with that key: it can sign again, and who trusts it need not be asked again. Where TLS is off
// (o.Cert is empty) it may come back, and nobody shall have to trust another CA for that: only the key of the CA goes, unless it is to be kept.
func Forget(o Options) (gone []string, err error) {
	_, keyErr := os.Stat(caKeyFile(o.Dir))
	signs := o.KeepCAKey && (keyErr == nil || !absent(keyErr)) // turned on later, the key of the CA that there is was never kept
	var names []string
	if !signs {
		names = append(names, caKeyName)
	}
	if o.Cert != "" {
		names = append(names, pairName)
		if !signs {
			names = append(names, caName)
		}
	}
	var errs []error
	for _, name := range names {
		path := filepath.Join(o.Dir, name)
		if samePath(path, o.Cert) || samePath(path, o.Key) {
			continue // the person uses it
		}
		switch err := os.Remove(path); {
		case err == nil:
			gone = append(gone, path)
		case !absent(err):
			errs = append(errs, scout.FileError(scout.CodeWriteFailed, "remove "+path, err))
		}
	}
	return gone, errors.Join(errs...)
}

// samePath reports whether two paths lead to one file.
func samePath(a, b string) bool {
	first, err := os.Stat(a)
	second, otherErr := os.Stat(b)
	return err == nil && otherErr == nil && os.SameFile(first, second)
}

// Renew has the daemon make a new certificate, signed by a new CA unless the key of the old one was kept: it removes the certificate that there is.
func Renew(dir string) error {
	err := os.Remove(PairFile(dir))
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return scout.FileError(scout.CodeWriteFailed, "remove "+PairFile(dir), err)
}

// Make makes the certificate without the daemon, as Renew has the daemon do it.
func Make(o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	_, err := o.makePair(true)
	return err
}

// own reads the certificate that Scout's own CA made, and the CA.
func own(dir string) (*Pair, *x509.Certificate, error) {
	pair, err := Read(PairFile(dir), PairFile(dir))
	if err != nil {
		return nil, nil, err
	}
	ca, err := readAuthority(CAFile(dir))
	if err != nil {
		return nil, nil, err
	}
	if err := leads(ca, pair.Leaf); err != nil {
		return nil, nil, scout.Errorf(scout.CodeCertificateInvalid, "%s is not that of the CA in %s: %w", PairFile(dir), CAFile(dir), err)
	}
	return pair, ca, nil
}

// samePair reports whether two pairs have the same certificates.
func samePair(a, b *Pair) bool {
	return a != nil && b != nil && slices.EqualFunc(a.Certificate.Certificate, b.Certificate.Certificate, bytes.Equal)
}
