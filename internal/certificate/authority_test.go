package certificate_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/certificate"
)

// A stolen key of the CA could sign for this machine alone: what it signs for others is refused, also where the machine is called like a
// top-level domain.
func TestTheCASignsForThisMachineAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.options.KeepCAKey = true
	h.options.Wanted = certificate.NamesOf("localhost", "127.0.0.1", "::1", "shop.example")
	h.options.Called = certificate.ThisMachine("dev")
	h.open()
	content, err := os.ReadFile(filepath.Join(h.options.Dir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(h.ca())
	for name, right := range map[string]bool{
		"localhost": true, "dev": true, "dev.local": true, "shop.example": true, "127.0.0.1": true, "::1": true,
		"bank.example": false, "10.0.0.1": false, "www.google.dev": false, "google.dev": false, "pay.shop.example": false, "a.dev.local": false, "example": false,
	} {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{Organization: []string{"Somebody"}}, NotBefore: h.now.Add(-time.Hour), NotAfter: h.now.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = []net.IP{ip}
		} else {
			template.DNSNames = []string{name}
		}
		raw, err := x509.CreateCertificate(rand.Reader, template, h.ca(), own.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); (err == nil) != right {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := exec.LookPath("openssl"); err == nil { // another judge
			forged := filepath.Join(t.TempDir(), "forged.pem")
			put(t, forged, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600)
			out, err := exec.CommandContext(t.Context(), "openssl", "verify", "-CAfile", certificate.CAFile(h.options.Dir), forged).CombinedOutput() //nolint:gosec // of this test
			if (err == nil) != right {
				t.Errorf("openssl, %s: %v: %s", name, err, out)
			}
		}
	}
}
