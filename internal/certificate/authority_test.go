package certificate_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/atomicfile"
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

// The CA whose key was kept stays when the machine has another address by the time of the renewal, or has it when its settings change to what the
// CA permits. A person who demands a new certificate gets one with all names, from a new CA.
func TestARenewalKeepsTheCAThoughAddressesChange(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.options.KeepCAKey = true
	h.options.Wanted, h.options.Called = certificate.NamesOf("localhost"), certificate.NamesOf("box", "10.0.0.5")
	first, ca := h.open().Shown()
	h.options.Called = certificate.NamesOf("box", "10.0.0.77", "2001:db8::7")
	k := h.open()
	h.now = h.now.Add(336 * 24 * time.Hour)
	if err := k.Look(); err != nil {
		t.Fatal(err)
	}
	renewed, same := k.Shown()
	if certificate.Fingerprint(ca) != certificate.Fingerprint(same) || certificate.Fingerprint(first.Leaf) == certificate.Fingerprint(renewed.Leaf) {
		t.Fatalf("the certificate was not renewed by the same CA: %s", &h.log)
	}
	if !slices.Equal(renewed.Names(), []string{"localhost", "box", "10.0.0.5"}) {
		t.Errorf("it is for %v", renewed.Names())
	}
	if r := k.Check().Probe(t.Context()); r.Metadata["not_named"] != "10.0.0.77 2001:db8::7" {
		t.Errorf("%+v", r)
	}
	if err := certificate.Renew(h.options.Dir); err != nil {
		t.Fatal(err)
	}
	if err := k.Look(); err != nil {
		t.Fatal(err)
	}
	demanded, other := k.Shown()
	if certificate.Fingerprint(ca) == certificate.Fingerprint(other) || !slices.Contains(demanded.Names(), "10.0.0.77") {
		t.Errorf("demanded by a person: %v", demanded.Names())
	}
}

// People see in a browser's list which machine a CA is of.
func TestTheCAIsCalledAfterTheMachine(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.open()
	if name := h.ca().Subject.CommonName; !strings.HasPrefix(name, "Scout on box.example, ") {
		t.Error(name)
	}
	h = newHouse(t)
	h.options.Called = certificate.Names{}
	h.open()
	if name := h.ca().Subject.CommonName; !strings.HasPrefix(name, "Scout on localhost, ") {
		t.Errorf("a machine without a name: %s", name)
	}
}

// A file that cannot be read at the moment may be good: nothing takes its place, and the daemon goes on with what it has.
func TestFilesOfScoutsOwnThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"server.pem", "ca.pem", "ca-key.pem"} {
		h := newHouse(t)
		h.options.KeepCAKey = true
		k := h.open()
		before, _ := k.Shown()
		path := filepath.Join(h.options.Dir, name)
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(name, path); err != nil { // whoever opens it gets ELOOP
			t.Fatal(err)
		}
		h.now = h.now.Add(360 * 24 * time.Hour) // time for a renewal
		if err := k.Look(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if shown, _ := k.Shown(); shown != before && certificate.Fingerprint(shown.Leaf) != certificate.Fingerprint(before.Leaf) {
			t.Errorf("%s: another certificate is shown", name)
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
		ca := h.ca()
		if err := k.Look(); err != nil {
			t.Errorf("%s, readable again: %v", name, err)
		}
		if _, after := k.Shown(); certificate.Fingerprint(after) != certificate.Fingerprint(ca) {
			t.Errorf("%s: a new CA", name)
		}
	}
}

// fullDisk fails to write the file of that number.
type fullDisk struct {
	atomicfile.OS
	left int
}

func (d *fullDisk) CreateTemporary(dir string, mode fs.FileMode) (atomicfile.File, error) {
	f, err := d.OS.CreateTemporary(dir, mode)
	if d.left--; d.left == 0 && err == nil {
		return fullFile{f}, nil
	}
	return f, err
}

type fullFile struct{ atomicfile.File }

func (fullFile) Sync() error { return syscall.ENOSPC }

// A disk that is full while a new CA is written leaves the old one with its certificate: clients that start then know whom they are shown.
func TestADiskThatIsFullWhenACAIsMade(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		for nth := 1; nth <= 2 || keep && nth == 3; nth++ {
			h := newHouse(t)
			h.options.KeepCAKey = keep
			disk := &fullDisk{}
			h.options.System = disk
			k := h.open()
			content := func() (all []string) {
				for _, name := range []string{"ca.pem", "ca-key.pem", "server.pem"} {
					got, _ := os.ReadFile(filepath.Join(h.options.Dir, name)) // the key may not be there
					all = append(all, string(got))
				}
				return all
			}
			before := content()
			h.now = h.now.Add(4000 * 24 * time.Hour)
			disk.left = nth
			if err := k.Look(); err == nil {
				t.Errorf("%v, file %d: it was not written, and nobody says so", keep, nth)
			}
			if !slices.Equal(before, content()) {
				t.Errorf("%v, file %d: some files are new", keep, nth)
			}
			if err := k.Look(); err != nil {
				t.Errorf("%v, file %d, with space again: %v", keep, nth, err)
			}
			if err := shake(k, h.ca(), "localhost", h.now); err != nil {
				t.Errorf("%v, file %d, with space again: %v", keep, nth, err)
			}
		}
	}
}

// What is told of the key of the CA is what is in the folder, not what the settings wish.
func TestTheKeyThatIsThereIsDescribed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.open()
	h.options.KeepCAKey = true // too late: the key is gone
	k := h.open()
	if certificate.Describe(h.options).CAKey {
		t.Error("described as kept, though it is gone")
	}
	if err := certificate.Renew(h.options.Dir); err != nil {
		t.Fatal(err)
	}
	if err := k.Look(); err != nil {
		t.Fatal(err)
	}
	if !certificate.Describe(h.options).CAKey {
		t.Error("described as gone, though it is kept")
	}
}

// A certificate that was made when the clock was ahead is made again when a time service has put it right. While nobody knows which time is right it
// stays: a machine that starts with a clock that is behind would lose the trust of its clients each time.
func TestACertificateFromTheFuture(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		h := newHouse(t)
		h.options.KeepCAKey = keep
		right := false
		h.options.ClockIsRight = func() bool { return right }
		k := h.open()
		h.now = h.now.Add(-100 * 24 * time.Hour)
		if err := k.Look(); err != nil || shake(k, h.ca(), "localhost", h.now) == nil {
			t.Errorf("%v: made again while nobody knows the time: %v", keep, err)
		}
		right = true
		if err := k.Look(); err != nil {
			t.Fatal(err)
		}
		if err := shake(k, h.ca(), "localhost", h.now); err != nil {
			t.Errorf("%v: %v", keep, err)
		}
	}
}
