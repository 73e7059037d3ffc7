package webhook_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/webhook"
)

func TestURLsOfClientsNameNoClosedNetwork(t *testing.T) {
	t.Parallel()
	secret := webhook.FormatSecret(webhook.NewSecret())
	closed := []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.127.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.254", "192.0.0.8", "192.0.2.1",
		"192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.254", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:0:10.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a00:1]", "[64:ff9b:1::808:808]", "[100::1]", "[fe80::1]", "[fe80::1%25lo]",
		"[fec0::1]", "[fc00::1]", "[fd12:3456::1]", "[ff02::1]", "[2001:db8::1]", "[2001::1]", "[2001:10::1]", "[2002:7f00:1::]", "[3fff::1]", "[4000::1]", "[5f00::1]",
	}
	open := []string{"8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.167.1.1", "198.17.0.1", "223.255.255.254", "[::ffff:8.8.8.8]", "[2606:4700::1111]", "[2a00:1450:4001::1]", "[64:ff9b::808:808]", "notes.example"}
	check := func(host string, guarded bool) error {
		o := webhook.OfJob{URL: "https://" + host + "/", Secret: secret, Guarded: guarded}
		return o.Check()
	}
	for _, host := range closed {
		if err := check(host, true); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%s: %v", host, err)
		}
		if err := check(host, false); err != nil {
			t.Errorf("%s of the owner: %v", host, err)
		}
	}
	for _, host := range open {
		if err := check(host, true); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// tryTo sends a message to a URL of a client, and returns why that failed.
func tryTo(t *testing.T, url string, own func() ([]net.Addr, error)) string {
	t.Helper()
	b := newBench(t, func(o *webhook.Options) { o.Own, o.Within = own, time.Second })
	asked := webhook.OfJob{URL: url, Secret: webhook.FormatSecret(webhook.NewSecret()), Guarded: true}
	b.update(func(tx store.Tx) error { return asked.Attach(tx, &store.Job{ID: "job_1", State: store.JobQueued}) })
	b.happens("job_1")
	agenda, err := b.store.DeliveryAgenda(t.Context(), someday.AddDate(1, 0, 0))
	if err != nil || len(agenda) != 1 {
		t.Fatalf("%+v %v", agenda, err)
	}
	due, err := b.store.DueDeliveries(t.Context(), agenda[0].Host, someday, someday.AddDate(1, 0, 0), 1)
	if err != nil || len(due) != 1 {
		t.Fatalf("%+v %v", due, err)
	}
	b.run()
	d := b.until(due[0].Hook, 1, tried(1))
	if d.Error == nil {
		t.Fatalf("%+v", d)
	}
	return d.Error.Message
}

// An address of the internet may be one of this machine, or of a neighbour in its network.
func TestTheMachinesOwnAddressesAreClosed(t *testing.T) {
	t.Parallel()
	const refusal = "may not lead"
	cidr := func(list ...string) func() ([]net.Addr, error) {
		return func() (out []net.Addr, err error) {
			for _, text := range list {
				at, network, err := net.ParseCIDR(text)
				if err != nil {
					return nil, err
				}
				out = append(out, &net.IPNet{IP: at, Mask: network.Mask})
			}
			return out, nil
		}
	}
	for name, c := range map[string]struct {
		url string
		own func() ([]net.Addr, error)
	}{
		"its address":                     {"http://192.31.196.7:9/", cidr("127.0.0.1/8", "192.31.196.7/24")},
		"its address of IPv6":             {"http://[2620:4f:8000::7]:9/", cidr("2620:4f:8000::7/128")},
		"a neighbour's address of IPv6":   {"http://[2620:4f:8000::8]:9/", cidr("2620:4f:8000::7/64")},
		"an address while nobody knows":   {"http://192.31.196.7:9/", func() ([]net.Addr, error) { return nil, errors.New("no netlink") }},
		"its address behind a mapped one": {"http://[::ffff:192.31.196.7]:9/", cidr("192.31.196.7/24")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if said := tryTo(t, c.url, c.own); !strings.Contains(said, refusal) || strings.Contains(said, "192.31") {
				t.Errorf("%s", said)
			}
		})
	}
}

// everybodysProxy is a proxy that the environment names in all tests of the package, as a system does: the standard library asks the
// environment once.
type everybodysProxy struct {
	*httptest.Server
	asked chan string
}

// theProxy belongs to TestMain.
var theProxy everybodysProxy

// newProxy starts a proxy and names it in the environment.
func newProxy() (everybodysProxy, error) {
	p := everybodysProxy{asked: make(chan string, 10)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { p.asked <- r.RequestURI }))
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		if err := os.Setenv(name, p.URL); err != nil {
			return p, err
		}
	}
	return p, nil
}

// No proxy of the environment is asked: it would connect to whatever it is told.
func TestNoProxyIsAsked(t *testing.T) {
	t.Parallel()
	// The client of the standard library would: otherwise this test proves nothing.
	const control = "http://control.invalid/"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, control, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // it is empty
	b := newBench(t, func(o *webhook.Options) { o.Within = time.Second })
	hook := b.add("http://hooks.invalid/")
	if tested, err := b.hooks.Test(t.Context(), hook.ID); err != nil || tested.Err == nil {
		t.Errorf("%+v %v", tested, err)
	}
	asked := map[string]bool{<-theProxy.asked: true}
	for len(theProxy.asked) > 0 {
		asked[<-theProxy.asked] = true
	}
	if len(asked) != 1 || !asked[control] {
		t.Errorf("the proxy was asked for %v", asked)
	}
}
