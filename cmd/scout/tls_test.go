//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// A daemon makes its own certificate, speaks TLS and plain HTTP at its port, and says what it did.
func TestTheDaemonSpeaksTLS(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	if got := h.run("tls", "ca"); got.code != 1 || !strings.Contains(got.err, "TLS is off") || !strings.Contains(got.err, "tls.mode auto") {
		t.Errorf("off: exit %d: %s", got.code, got.err)
	}
	h.env = slices.Concat(h.env, []string{"SCOUT_TLS__MODE=auto", "SCOUT_CA="})
	if got := h.run("tls", "ca"); got.code != 1 || !strings.Contains(got.err, "made no certificate yet") {
		t.Errorf("before the first start: exit %d: %s", got.code, got.err)
	}
	p := h.start("serve", "--addr", "127.0.0.1:0")
	p.await("https://127.0.0.1:")
	status := h.status()
	if l := status.HTTP; len(l) != 1 || !l[0].Listening || !l[0].TLS || !l[0].Plain {
		t.Fatalf("it listens at %+v", l)
	}
	address := status.HTTP[0].Address
	if code, body := gotFrom(t, address, "/readyz"); code != http.StatusOK {
		t.Errorf("plain: %d %s", code, body)
	}
	if got := h.must("status").out; !strings.Contains(got, "https://"+address+", and http") {
		t.Errorf("status: %s", got)
	}
	ca := strings.TrimSpace(h.must("tls", "ca").out)
	_, port, _ := net.SplitHostPort(address)
	for _, server := range []string{"https://" + address, "https://localhost:" + port} {
		h.must("models", "list", "--server", server, "--ca", ca)
	}
	for what, c := range map[string]struct{ server, message, hint string }{
		"without the CA":  {"https://" + address, "nobody here knows who certified", "scout tls ca prints"},
		"another address": {"https://127.0.0.2:" + port, "no Scout answers", "http.addr"},
	} {
		if got := h.run("models", "list", "--server", c.server); got.code != 1 || !strings.Contains(got.err, c.message) || !strings.Contains(got.err, c.hint) {
			t.Errorf("%s: exit %d: %s", what, got.code, got.err)
		}
	}
	if got := h.run("models", "list", "--server", "https://"+address, "--ca", "/dev/null"); got.code != 1 || !strings.Contains(got.err, "no certificate in PEM") {
		t.Errorf("no CA: exit %d: %s", got.code, got.err)
	}
	var shown shownCertificate
	if err := json.Unmarshal([]byte(h.must("tls", "show", "--json").out), &shown); err != nil || shown.CA != ca || !slices.Contains(shown.Names, "127.0.0.1") || !slices.Contains(shown.Names, "localhost") || *shown.CAKeyKept {
		t.Errorf("%v %+v", err, shown)
	}
	if got := h.run("health", "--json").out; !strings.Contains(got, shown.SHA256) {
		t.Errorf("health: %s", got)
	}
	if got := h.must("tls", "trust", "--dry-run").out; !strings.Contains(got, ca) && !strings.Contains(got, "not for") {
		t.Errorf("trust: %s", got)
	}
	if got := h.run("tls", "renew"); got.code != 2 || !strings.Contains(got.err, "--yes") {
		t.Errorf("renew without a terminal: %d %s", got.code, got.err)
	}
	h.must("tls", "renew", "--yes")
	var renewed shownCertificate
	if got := h.run("tls", "show", "--json"); json.Unmarshal([]byte(got.out), &renewed) != nil || renewed.CASHA256 == "" || renewed.CASHA256 == shown.CASHA256 {
		t.Errorf("renewed: %+v", got)
	}
	for !strings.Contains(h.run("health", "--json").out, renewed.SHA256) { // what was made is shown within a moment; else the test does not end
		time.Sleep(20 * time.Millisecond) // nothing announces it here
	}
	h.must("models", "list", "--server", "https://"+address, "--ca", ca)
	if _, err := os.Stat(filepath.Join(filepath.Dir(ca), "ca-key.pem")); err == nil {
		t.Error("the key of the CA was kept")
	}
	p.signal(syscall.SIGTERM)
	if got := p.end(); got.code != 0 {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	h.must("tls", "renew", "--yes") // nobody runs who could make it later
	h.must("tls", "trust", "--dry-run")
	if got := h.must("tls", "show", "--json").out; strings.Contains(got, renewed.CASHA256) {
		t.Errorf("renewed without a daemon: %s", got)
	}
}

// certify writes a certificate and its key into the files of the house, as a person does.
func certify(t *testing.T, cert, key string, until time.Time) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: until.Add(-1000 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, own.Public(), own)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: raw}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A person's files: what is wrong with them is said at the start, in health, and to clients; files that are mended are used at once.
func TestCertificatesOfAPerson(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	h.env = slices.Concat(h.env, []string{"SCOUT_TLS__MODE=files", "SCOUT_TLS__CERT=" + cert, "SCOUT_TLS__KEY=" + key, "SCOUT_HTTP__ADDR=127.0.0.1:0"})
	if got := h.run("serve"); got.code != 1 || !strings.Contains(got.err, "cert.pem") || !strings.Contains(got.err, "tls.mode off") {
		t.Errorf("without the files: exit %d: %s", got.code, got.err)
	}
	tlsHealth := func() (found v1.Component) {
		var report v1.Health
		if got := h.run("health", "--json"); json.Unmarshal([]byte(got.out), &report) != nil {
			t.Fatalf("%+v", got)
		}
		for _, c := range report.Components {
			if c.Name == "tls" {
				found = c
			}
		}
		return found
	}
	address := h.status().HTTP[0].Address // a command started the daemon, which goes on
	if got := tlsHealth(); got.Status != "Unhealthy" || !strings.Contains(got.Reason, "cert.pem") {
		t.Errorf("health without the files: %+v", got)
	}
	if got := h.run("models", "list", "--server", "https://"+address); got.code != 1 || !strings.Contains(got.err, "did not finish the handshake") {
		t.Errorf("a client meanwhile: exit %d: %s", got.code, got.err)
	}
	await := func(status string) {
		for tlsHealth().Status != status { // else the test does not end
			time.Sleep(20 * time.Millisecond) // nothing announces it
		}
	}
	certify(t, cert, key, time.Now().Add(-time.Hour))
	for !strings.Contains(tlsHealth().Reason, "ended on") { // as above
		time.Sleep(20 * time.Millisecond)
	}
	if got := h.run("models", "list", "--server", "https://"+address, "--ca", cert); got.code != 1 || !strings.Contains(got.err, "ended on") || !strings.Contains(got.err, "renew the files") {
		t.Errorf("a client of one whose time is over: exit %d: %s", got.code, got.err)
	}
	if got := h.run("tls", "show"); got.code != 1 || !strings.Contains(got.err, "ended on") {
		t.Errorf("show: %+v", got)
	}
	certify(t, cert, key, time.Now().Add(900*time.Hour))
	await("Healthy")
	h.must("models", "list", "--server", "https://"+address, "--ca", cert)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	await("Degraded")
	h.must("models", "list", "--server", "https://"+address, "--ca", cert)
	h.must("serve", "stop")
}
