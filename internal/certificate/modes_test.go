package certificate_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/certificate"
	"github.com/scout-speech/scout/internal/health"
)

// Another mode leaves no CA that can sign nothing, and no key that is not to be kept. TLS that is off may come back: what clients trust stays.
func TestWhatAnotherModeLeaves(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		cert, key string // "" for none, a name for one of the folder
		keep      bool
		stay      []string
	}{
		"files":                      {"/a/cert.pem", "/a/key.pem", false, nil},
		"files, and the key is kept": {"/a/cert.pem", "/a/key.pem", true, []string{"ca-key.pem", "ca.pem"}},
		"off":                        {"", "", false, []string{"ca.pem", "server.pem"}},
		"off, and the key is kept":   {"", "", true, []string{"ca-key.pem", "ca.pem", "server.pem"}},
		"files that Scout had made":  {"server.pem", "server.pem", false, []string{"server.pem"}},
	} {
		h := newHouse(t)
		h.options.KeepCAKey = true
		h.open()
		o := certificate.Options{Dir: h.options.Dir, Cert: c.cert, Key: c.key, KeepCAKey: c.keep}
		if c.cert == "server.pem" {
			o.Cert, o.Key = filepath.Join(o.Dir, c.cert), filepath.Join(o.Dir, c.key)
		}
		if strings.HasSuffix(situation, "only now") {
			if err := os.Remove(filepath.Join(o.Dir, "ca-key.pem")); err != nil {
				t.Fatal(err)
			}
		}
		gone, err := certificate.Forget(o)
		left, readErr := os.ReadDir(o.Dir)
		if err != nil || readErr != nil || slices.ContainsFunc(gone, exists) {
			t.Errorf("%s: %v are gone; %v, %v", situation, gone, err, readErr)
		}
		var names []string
		for _, entry := range left {
			names = append(names, entry.Name())
		}
		if !slices.Equal(names, c.stay) {
			t.Errorf("%s: %v stay, want %v", situation, names, c.stay)
		}
		if again, err := certificate.Forget(o); err != nil || len(again) > 0 {
			t.Errorf("%s, again: %v, %v", situation, again, err)
		}
	}
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

// What clients see of a certificate whose time is over: each says so in its words, and none goes on.
func TestClientsOfACertificateWhoseTimeIsOver(t *testing.T) {
	t.Parallel()
	cert, key := pairOf(t, "localhost", time.Now().Add(-time.Hour))
	k, o, err := filed(t, time.Now(), cert, key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", k.Config())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }() // ended by Close
	defer func() {
		_ = server.Close() // it has no requests
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	url := "https://localhost:" + port + "/livez"
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	goClient := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}} //nolint:gosec // the default version
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := goClient.Do(request); err == nil || !strings.Contains(err.Error(), "certificate has expired") { //nolint:bodyclose // there is none
		t.Errorf("Go: %v, %v", response, err)
	}
	for name, c := range map[string]struct {
		arguments []string
		says      string
	}{
		"curl":    {[]string{"--silent", "--show-error", "--cacert", o.Cert, url}, "expired"},
		"node":    {[]string{"-e", `fetch(process.argv[1]).catch(e => { console.error(e.cause?.code); process.exit(1) })`, url}, "CERT_HAS_EXPIRED"},
		"openssl": {[]string{"s_client", "-verify_return_error", "-CAfile", o.Cert, "-connect", "localhost:" + port}, "certificate has expired"},
	} {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Logf("%s is not here", name)
			continue
		}
		command := exec.CommandContext(t.Context(), program, c.arguments...) //nolint:gosec // of this test
		command.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+o.Cert, "NODE_OPTIONS=")
		if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	if r := k.Check().Probe(t.Context()); r.Status != health.Unhealthy || !strings.HasSuffix(r.Reason, ": clients refuse it") {
		t.Errorf("health: %+v", r)
	}
}
