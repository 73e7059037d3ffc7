package api_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api"
)

// scraped has a server answer at an address of the metrics, which s.ask asks from then on.
func (s *served) scraped() {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.address = listener.Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- s.server.ServeMetrics(listener, s.address) }() // ended by Shutdown
	s.ends = append(s.ends, func() {
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
}

func TestTheMetricsHaveAnAddressAndAKeyOfTheirOwn(t *testing.T) {
	t.Parallel()
	const key = "the-key-of-the-metrics"
	own := func(key string) func(n *api.Network) {
		return func(n *api.Network) { n.MetricsKey = func() (string, error) { return key, nil } }
	}
	for situation, c := range map[string]struct {
		change       func(n *api.Network)
		method, path string
		headers      []string
		status       int
		code         scout.Code
	}{
		"with the key":                     {own(key), "GET", "/metrics", bearer(key), 200, ""},
		"HEAD":                             {own(key), "HEAD", "/metrics", bearer(key), 200, ""},
		"a path that is cleaned":           {own(key), "GET", "//metrics/", bearer(key), 200, ""},
		"without it":                       {own(key), "GET", "/metrics", nil, 401, scout.CodeInvalidAPIKey},
		"a part of it":                     {own(key), "GET", "/metrics", bearer(key[:8]), 401, scout.CodeInvalidAPIKey},
		"a key of Scout":                   {own(key), "GET", "/metrics", bearer("sk-scout-key_owner"), 401, scout.CodeInvalidAPIKey},
		"another path":                     {own(key), "GET", "/api/v1/version", bearer(key), 404, scout.CodeUnknownURL},
		"health":                           {own(key), "GET", "/livez", bearer(key), 404, scout.CodeUnknownURL},
		"a path below":                     {own(key), "GET", "/metrics/more", bearer(key), 404, scout.CodeUnknownURL},
		"below the base path":              {own(key), "GET", "/scout/metrics", bearer(key), 404, scout.CodeUnknownURL},
		"another path without the key":     {own(key), "GET", "/api/v1/version", nil, 401, scout.CodeInvalidAPIKey},
		"another method":                   {own(key), "POST", "/metrics", bearer(key), 405, scout.CodeMethodNotAllowed},
		"a name that leads here":           {own(key), "GET", "/metrics", append(bearer(key), "Host", "evil.example"), 403, scout.CodeHostNotAllowed},
		"a page of another site":           {own(key), "GET", "/metrics", append(bearer(key), "Origin", "https://evil.example"), 403, scout.CodeOriginNotAllowed},
		"no key is set":                    {nil, "GET", "/metrics", nil, 200, ""},
		"no key is set, and a proxy asks":  {nil, "GET", "/metrics", []string{"X-Forwarded-For", "10.1.2.3"}, 401, scout.CodeInvalidAPIKey},
		"no key is set, and another user":  {func(n *api.Network) { n.Peer = func(_, _ netip.AddrPort) (int, error) { return os.Getuid() + 1, nil } }, "GET", "/metrics", nil, 401, scout.CodeInvalidAPIKey},
		"a key that cannot be read":        {func(n *api.Network) { n.MetricsKey = func() (string, error) { return "", errors.New("gone") } }, "GET", "/metrics", bearer(key), 503, scout.CodeUnavailable},
		"programs need keys, and none set": {func(n *api.Network) { n.KeysAlways = true }, "GET", "/metrics", nil, 401, scout.CodeInvalidAPIKey},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := serve(t, networked, func(s *served) {
				s.network.BasePath = "/scout"
				if c.change != nil {
					c.change(&s.network)
				}
			})
			s.scraped()
			response, body := s.ask(c.method, c.path, "", c.headers...)
			if response.StatusCode != c.status || response.Header.Get("X-Scout-Code") != string(c.code) {
				t.Errorf("%d %s, want %d %s", response.StatusCode, body, c.status, c.code)
			}
			if shown := strings.Contains(body, "scout_connections"); shown != (c.status == 200 && c.method == "GET") {
				t.Errorf("the metrics are shown: %t", shown)
			}
		})
	}
}

// The key of the metrics opens nothing else.
func TestTheKeyOfTheMetricsIsNoKeyOfScout(t *testing.T) {
	t.Parallel()
	const key = "sk-scout-the-key-of-the-metrics"
	s := serve(t, networked, func(s *served) { s.network.MetricsKey = func() (string, error) { return key, nil } })
	for _, path := range []string{"/metrics", "/api/v1/version"} {
		if response, body := s.ask("GET", path, "", bearer(key)...); response.StatusCode != 401 {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
}
