package certificate_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/certificate"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
)

// house is a machine with Scout's own CA, and a clock.
type house struct {
	t       *testing.T
	now     time.Time
	log     strings.Builder
	options certificate.Options
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, now: time.Now()}
	h.options = certificate.Options{
		Own: true, Dir: filepath.Join(t.TempDir(), "tls"), Now: func() time.Time { return h.now }, ClockIsRight: func() bool { return false },
		Wanted: certificate.NamesOf("localhost", "127.0.0.1", "::1", "192.168.1.5"), Called: certificate.ThisMachine("Box.example"),
	}
	return h
}

// open opens the keeper, as each daemon does.
func (h *house) open() *certificate.Keeper {
	h.t.Helper()
	k, err := h.try()
	if err != nil {
		h.t.Fatal(err)
	}
	return k
}

func (h *house) try() (*certificate.Keeper, error) {
	h.options.Scope = observe.NewScope(slog.New(slog.NewTextHandler(&h.log, nil)), prom.NewRegistry(), nil)
	return certificate.Open(h.options)
}

// ca is the CA as clients have it.
func (h *house) ca() *x509.Certificate {
	h.t.Helper()
	content, err := os.ReadFile(certificate.CAFile(h.options.Dir))
	if err != nil {
		h.t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		h.t.Fatal(err)
	}
	return ca
}

// shake shakes hands with a client that trusts the CA and calls the server by that name.
func shake(k *certificate.Keeper, ca *x509.Certificate, name string, at time.Time) error {
	client, server := net.Pipe()
	defer func() { _, _ = client.Close(), server.Close() }() // nothing was sent
	go func() { _ = tls.Server(server, k.Config()).Handshake() }()
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	return tls.Client(client, &tls.Config{RootCAs: roots, ServerName: name, Time: func() time.Time { return at }}).Handshake() //nolint:gosec // the default version
}

func TestScoutsOwnCertificate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	k := h.open()
	for name, right := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "::1": true, "192.168.1.5": true, "box": true, "box.example": true, "box.local": true,
		"192.168.1.6": false, "example": false, "other.example": false,
	} {
		if err := shake(k, h.ca(), name, h.now); (err == nil) != right {
			t.Errorf("%s: %v", name, err)
		}
	}
	entries, err := os.ReadDir(h.options.Dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("in the folder: %v, %v; want no key of the CA", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	ca := h.ca()
	if !ca.IsCA || ca.MaxPathLen != 0 || !ca.MaxPathLenZero || !ca.PermittedDNSDomainsCritical || len(ca.PermittedIPRanges) != 3 || !slices.Contains(ca.PermittedDNSDomains, "box.local") {
		t.Errorf("the CA may do more: %+v %v %v", ca.PermittedDNSDomains, ca.PermittedIPRanges, ca.MaxPathLen)
	}
	before, _ := k.Shown()
	again, _ := h.open().Shown()
	if certificate.Fingerprint(before.Leaf) != certificate.Fingerprint(again.Leaf) {
		t.Error("the next daemon made another certificate")
	}
	if _, err := exec.LookPath("openssl"); err == nil { // another judge
		pair := certificate.PairFile(h.options.Dir)
		if out, err := exec.CommandContext(t.Context(), "openssl", "verify", "-x509_strict", "-CAfile", certificate.CAFile(h.options.Dir), "-verify_hostname", "box.local", pair).CombinedOutput(); err != nil { //nolint:gosec // of this test
			t.Errorf("openssl: %v: %s", err, out)
		}
	}
}

func TestTheEndOfScoutsOwnCertificate(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		keep    bool
		after   time.Duration
		remade  bool
		sameCA  bool
		healthy health.Status
	}{
		"long before":                     {false, 100 * 24 * time.Hour, false, true, health.Healthy},
		"a month before":                  {false, 800 * 24 * time.Hour, false, true, health.Degraded},
		"a week before":                   {false, 815 * 24 * time.Hour, true, false, health.Healthy},
		"behind it":                       {false, 1000 * 24 * time.Hour, true, false, health.Healthy},
		"a month before, with the key":    {true, 340 * 24 * time.Hour, true, true, health.Healthy},
		"long before, with the key":       {true, 300 * 24 * time.Hour, false, true, health.Healthy},
		"when the CA ends, with the key":  {true, 3640 * 24 * time.Hour, true, false, health.Healthy},
		"behind the CA's, with the key":   {true, 4000 * 24 * time.Hour, true, false, health.Healthy},
		"before its beginning (no clock)": {false, -400 * 24 * time.Hour, false, true, health.Unhealthy},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.options.KeepCAKey = c.keep
			k := h.open()
			before, ca := k.Shown()
			h.now = h.now.Add(c.after)
			if err := k.Look(); err != nil {
				t.Fatal(err)
			}
			after, caAfter := k.Shown()
			if remade := certificate.Fingerprint(before.Leaf) != certificate.Fingerprint(after.Leaf); remade != c.remade {
				t.Errorf("made again: %v", remade)
			}
			if same := certificate.Fingerprint(ca) == certificate.Fingerprint(caAfter); same != c.sameCA {
				t.Errorf("the same CA: %v", same)
			}
			if r := k.Check().Probe(t.Context()); r.Status != c.healthy {
				t.Errorf("%+v", r)
			}
			if c.remade {
				if err := shake(k, h.ca(), "localhost", h.now); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestNamesThatTheSettingsDemand(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		h := newHouse(t)
		h.options.KeepCAKey = keep
		_, first := h.open().Shown()
		h.options.Called = certificate.ThisMachine("renamed")
		k := h.open()
		_, ca := k.Shown()
		if certificate.Fingerprint(ca) != certificate.Fingerprint(first) {
			t.Error("another name of the machine made another CA")
		}
		if r := k.Check().Probe(t.Context()); r.Metadata["not_named"] != "renamed renamed.local" {
			t.Errorf("%+v", r)
		}
		h.options.Wanted = certificate.NamesOf("localhost", "scout.example")
		k = h.open()
		if err := shake(k, h.ca(), "scout.example", h.now); err != nil {
			t.Error(err)
		}
		if err := shake(k, h.ca(), "renamed.local", h.now); err != nil {
			t.Error(err)
		}
		_, ca = k.Shown()
		if certificate.Fingerprint(ca) == certificate.Fingerprint(first) {
			t.Error("the CA may sign for a name that it had not")
		}
		if !strings.Contains(h.log.String(), "certificate_made") || !strings.Contains(h.log.String(), "it is not for scout.example") {
			t.Error(h.log.String())
		}
	}
}

// The key of the CA that is no longer to be kept is removed; the certificate stays.
func TestTheKeyOfTheCAIsForgotten(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.options.KeepCAKey = true
	_, before := h.open().Shown()
	h.options.KeepCAKey = false
	_, after := h.open().Shown()
	if _, err := os.Stat(filepath.Join(h.options.Dir, "ca-key.pem")); err == nil || certificate.Fingerprint(before) != certificate.Fingerprint(after) {
		t.Errorf("the key: %v", err)
	}
}

func TestDamagedFilesOfScoutsOwn(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"ca.pem": "", "server.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		h := newHouse(t)
		h.open()
		if err := os.WriteFile(filepath.Join(h.options.Dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		k := h.open()
		if err := shake(k, h.ca(), "localhost", h.now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	h := newHouse(t)
	if err := os.WriteFile(h.options.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := h.try()
	if err == nil {
		t.Fatal("a file in the place of the folder")
	}
	if r := k.Check().Probe(t.Context()); r.Status != health.Unhealthy || r.Reason == "" {
		t.Errorf("%+v", r)
	}
}

// pairOf makes a certificate of somebody else.
func pairOf(t *testing.T, name string, until time.Time) (cert, key []byte) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: until.Add(-1000 * time.Hour), NotAfter: until}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, own.Public(), own)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// filed is a keeper of two files.
func filed(t *testing.T, now time.Time, cert, key []byte) (*certificate.Keeper, certificate.Options, error) {
	t.Helper()
	dir := t.TempDir()
	o := certificate.Options{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), Now: func() time.Time { return now }}
	put(t, o.Cert, cert, 0o600)
	put(t, o.Key, key, 0o600)
	k, err := certificate.Open(o)
	return k, o, err
}

func put(t *testing.T, path string, content []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// A new pair is shown as soon as both files are there. Half of one, and what is wrong, changes nothing.
func TestFilesThatChange(t *testing.T) {
	t.Parallel()
	now := time.Now()
	until := now.Add(500 * time.Hour)
	cert, key := pairOf(t, "first.example", until)
	k, o, err := filed(t, now, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := k.Shown()
	cert2, key2 := pairOf(t, "second.example", until)
	put(t, o.Cert, cert2, 0o600)
	if err := k.Look(); scout.CodeOf(err) != scout.CodeCertificateInvalid || !strings.Contains(err.Error(), "are no pair") {
		t.Errorf("half of a new pair: %v", err)
	}
	if kept, _ := k.Shown(); kept != first {
		t.Error("the pair of before is not shown any more")
	}
	if r := k.Check().Probe(t.Context()); r.Status != health.Degraded || !strings.Contains(r.Reason, "the certificate of before stays") {
		t.Errorf("%+v", r)
	}
	put(t, o.Key, key2, 0o600)
	if err := k.Look(); err != nil {
		t.Fatal(err)
	}
	if second, _ := k.Shown(); !slices.Equal(second.Names(), []string{"second.example"}) {
		t.Errorf("shown: %v", second.Names())
	}
	if r := k.Check().Probe(t.Context()); r.Status != health.Healthy {
		t.Errorf("%+v", r)
	}
	put(t, o.Key, key2, 0o644)
	if err := k.Look(); err != nil {
		t.Fatal(err)
	}
	if r := k.Check().Probe(t.Context()); r.Status != health.Degraded || !strings.Contains(r.Reason, "other users can read the key") {
		t.Errorf("%+v", r)
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	cert, key := pairOf(t, "a.example", now.Add(500*time.Hour))
	_, other := pairOf(t, "b.example", now.Add(500*time.Hour))
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("secret")})
	for situation, c := range map[string]struct {
		cert, key []byte
		message   string
	}{
		"a key of another one":      {cert, other, "are no pair"},
		"no certificate":            {[]byte("hello"), key, "no certificate in PEM"},
		"an empty file":             {nil, key, "no certificate in PEM"},
		"no key":                    {cert, []byte("hello"), "no private key in PEM"},
		"the certificate twice":     {cert, cert, "no private key in PEM"},
		"a key with a password":     {cert, encrypted, "is encrypted"},
		"files in the wrong places": {key, cert, "no certificate in PEM"},
		"a file without an end":     {make([]byte, 2<<20), key, "more than"},
	} {
		k, _, err := filed(t, now, c.cert, c.key)
		if scout.CodeOf(err) != scout.CodeCertificateInvalid || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v", situation, err)
		}
		if r := k.Check().Probe(t.Context()); r.Status != health.Unhealthy || !strings.Contains(r.Reason, c.message) {
			t.Errorf("%s: %+v", situation, r)
		}
		if _, err := k.Config().GetCertificate(nil); err == nil {
			t.Errorf("%s: something is shown", situation)
		}
	}
	if _, err := certificate.Open(certificate.Options{Cert: "/nowhere/cert.pem", Key: "/nowhere/key.pem"}); scout.CodeOf(err) != scout.CodeFileNotFound {
		t.Errorf("no file: %v", err)
	}
	if _, err := certificate.Open(certificate.Options{Cert: "/nowhere/cert.pem"}); scout.CodeOf(err) != scout.CodeConfigInvalid {
		t.Errorf("no key named: %v", err)
	}
}

// A certificate whose time is over is shown, and health says what clients do with it.
func TestACertificateWhoseTimeIsOver(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for until, want := range map[time.Duration]struct {
		status health.Status
		reason string
	}{
		-time.Hour: {health.Unhealthy, "ended on"}, 24 * time.Hour: {health.Degraded, "ends on"}, 1500 * time.Hour: {health.Unhealthy, "begins on"}, 500 * time.Hour: {health.Healthy, ""},
	} {
		cert, key := pairOf(t, "a.example", now.Add(until))
		k, _, err := filed(t, now, cert, key)
		if err != nil {
			t.Fatal(err)
		}
		if r := k.Check().Probe(t.Context()); r.Status != want.status || !strings.Contains(r.Reason, want.reason) {
			t.Errorf("%s: %+v", until, r)
		}
	}
}

// A key that others can read, or new files that are wrong, do not hide that the certificate ends.
func TestHealthTellsEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for until, want := range map[time.Duration]struct {
		status health.Status
		reason string
	}{-time.Hour: {health.Unhealthy, "the certificate ended on"}, 24 * time.Hour: {health.Degraded, "the certificate ends on"}} {
		cert, key := pairOf(t, "a.example", now.Add(until))
		k, o, err := filed(t, now, cert, key)
		if err != nil {
			t.Fatal(err)
		}
		put(t, o.Key, key, 0o644)
		if err := k.Look(); err != nil {
			t.Fatal(err)
		}
		put(t, o.Cert, []byte("hello"), 0o600)
		if err := k.Look(); err == nil {
			t.Error("files that are wrong")
		}
		r := k.Check().Probe(t.Context())
		if r.Status != want.status || !strings.HasPrefix(r.Reason, want.reason) || !strings.Contains(r.Reason, "no certificate in PEM") || !strings.Contains(r.Reason, "other users can read the key") {
			t.Errorf("%s: %+v", until, r)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want string }{
		{certificate.NamesOf("LocalHost.", "::ffff:10.0.0.1", "[::1]", "fe80::1%eth0", "a b", "*.x", "", "localhost", "my_box").String(), "localhost my_box 10.0.0.1 ::1 fe80::1"},
		{certificate.ThisMachine("Box").String(), "box box.local"},
		{certificate.ThisMachine("box.example").String(), "box.example box box.local"},
		{certificate.ThisMachine("").String(), ""},
		{certificate.ThisMachine("Local").String(), "local"},
		{certificate.ThisMachine("büro").String(), ""},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
