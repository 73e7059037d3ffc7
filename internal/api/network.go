package api

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// Network is how clients are met that come over TCP. Those of the unix socket are the owner.
type Network struct {
	// BasePath precedes every path, for example /scout; empty for none.
	BasePath string
	// Name is that of this machine. Hosts are further names under which clients may know it.
	Name  string
	Hosts []string
	// Origins are those of pages that may use Scout, for example https://notes.example. * is every page, for requests that have a key or need
	// one.
	Origins []string
	// KeysAlways is true where programs of the same user on this machine need a key, too.
	KeysAlways bool
	// Peer returns the user who made a connection within this machine.
	Peer func(client, server netip.AddrPort) (uid int, err error)
	// MetricsKey returns the key of the addresses of the metrics; empty where none is set, and only programs of the same user on this machine
	// may ask.
	MetricsKey func() (string, error)
	// RequestsPerMinute is how many requests a key may send that says nothing else; 0 for any number.
	RequestsPerMinute int
	// Streams is how many answers there may be that last for hours, event streams and audio that is followed, and StreamsPerClient how many of
	// one client; 0 for the defaults.
	Streams, StreamsPerClient int
}

// localClient is under which the store has what programs of this machine made that sent no key.
const localClient = "local"

// hostName is the name in a header Host, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// isAddress reports whether a name is an address of IP.
func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// calledBy refuses a request that was sent to another name than this machine has: a page can make a name of its own lead here, and
// would then be of the same origin.
func (n *Network) calledBy(host string) error {
	name, own := hostName(host), strings.ToLower(n.Name)
	short, _, _ := strings.Cut(own, ".")
	switch {
	case name == "localhost", isAddress(name):
		return nil
	case own != "" && slices.Contains([]string{own, short, short + ".local"}, name):
		return nil
	case slices.ContainsFunc(n.Hosts, func(allowed string) bool { return strings.EqualFold(allowed, name) }):
		return nil
	}
	return scout.Errorf(scout.CodeHostNotAllowed, "this Scout is not known as %q", hostName(host))
}

// place is host and port of a header Host or Origin.
func place(host, scheme string) string {
	port := map[string]string{"http": "80", "https": "443"}[scheme]
	if _, given, err := net.SplitHostPort(host); err == nil {
		port = given
	}
	return net.JoinHostPort(hostName(host), port)
}

// sentBy refuses a request that a page of somebody else sent. foreign is true for a page of another origin that may use Scout.
//
//	keyless  whether the request needs no key
func (n *Network) sentBy(r *http.Request, keyless func() bool) (foreign bool, err error) {
	values := r.Header.Values("Origin")
	switch {
	case len(values) == 0 && fetched(r) && !opensPage(r):
		return false, scout.Errorf(scout.CodeOriginNotAllowed, "a page of another server asks for this")
	case len(values) == 0:
		return false, nil
	}
	origin := values[0]
	page, err := url.Parse(origin)
	if err == nil && page.Host != "" && len(values) == 1 && place(page.Host, page.Scheme) == place(r.Host, page.Scheme) {
		return false, nil
	}
	for _, allowed := range n.Origins {
		if len(values) == 1 && (strings.EqualFold(allowed, origin) || allowed == "*" && (hasKey(r) || !keyless())) {
			return true, nil
		}
	}
	return false, scout.Errorf(scout.CodeOriginNotAllowed, "pages of %q may not use this Scout", origin)
}

// hasKey reports whether a request has one of Scout's keys, or is the question of a browser whether a page may send one. Such a request is let in
// by its key alone: one that is wrong is refused, also where none is needed.
func hasKey(r *http.Request) bool {
	if key := bearer(r); strings.HasPrefix(key, keyPrefix) || strings.HasPrefix(key, secretPrefix) {
		return true
	}
	return isPreflight(r) && slices.ContainsFunc(strings.Split(r.Header.Get("Access-Control-Request-Headers"), ","), func(name string) bool {
		return strings.EqualFold(strings.TrimSpace(name), "Authorization")
	})
}

// fetched reports whether a browser says that a page of somebody else sent a request without an origin. All ports of a host are one site,
// and the cookie of a session is sent to them all: with it, a page of another port counts as somebody else's.
func fetched(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site":
		return true
	case "same-site":
		_, err := r.Cookie(sessionCookie)
		return err == nil
	}
	return false
}

// opensPage reports whether a person follows a link to the page, on whatever page the link is.
func opensPage(r *http.Request) bool {
	page := r.URL.Path == docsPath || isPlace(r.URL.Path) || strings.HasPrefix(r.URL.Path, openPath)
	return page && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// share lets a page of another origin read the answer. Source: the Fetch standard, "CORS protocol".
func share(h http.Header, r *http.Request) {
	h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Expose-Headers", "*")
}

// isPreflight reports whether a browser only asks what a page may send. The question has no key.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// preflight answers that everything may be sent: what is allowed depends on the key.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PATCH, DELETE, OPTIONS")
	if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		h.Set("Access-Control-Allow-Headers", wanted)
	}
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// refuseKeyless refuses a request that needs a key: it does not come from a program of the same user on this machine.
func (n *Network) refuseKeyless(c *connection, r *http.Request) error {
	var why error
	switch {
	case n.KeysAlways:
		why = errors.New("this Scout is used with a key")
	case !c.remote.Addr().IsLoopback() || !c.local.Addr().IsLoopback():
		why = errNotHere
	default:
		why = n.sameUser(c, r)
	}
	if why == nil {
		return nil
	}
	return scout.Errorf(scout.CodeInvalidAPIKey, "this needs a key: %w", why).WithHint("send one: Authorization: Bearer KEY; to make one: scout keys create NAME")
}

// errNotHere is why a request over the network counts as nobody's.
var errNotHere = errors.New("the request comes from another machine")

// sameUser returns nil where a request comes from a program of the same user on this machine, and not through a proxy. Otherwise it says
// where it comes from.
func (n *Network) sameUser(c *connection, r *http.Request) error {
	from, to := c.remote.Addr(), c.local.Addr()
	switch {
	case c.near:
		return nil
	case !from.IsValid(), from != to && (!from.IsLoopback() || !to.IsLoopback()):
		return errNotHere
	}
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return fmt.Errorf("the request came through a proxy (%s)", name)
		}
	}
	switch uid, err := c.user(n.Peer); {
	case err != nil:
		return fmt.Errorf("it cannot be told which user of this machine is asking: %s", scout.Plain(err))
	case uid != os.Getuid():
		return errors.New("another user of this machine is asking")
	}
	return nil
}

// bearer is the key that a request has, empty for none. A page that opens a WebSocket can send no header: it offers its key as a protocol.
func bearer(r *http.Request) string {
	kind, key, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found && upgrades(r) {
		for _, offered := range protocols(r) {
			if key, is := strings.CutPrefix(offered, v1.KeyProtocol); is {
				return key
			}
		}
	}
	if !found || !strings.EqualFold(kind, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}

// maxClientName bounds what a program calls itself.
const maxClientName = 64

// clientName is what a program calls itself; empty for nothing, or for what is no name.
func clientName(r *http.Request) string {
	name := r.Header.Get("X-Scout-Client")
	printable := !strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) || c == unicode.ReplacementChar })
	if !printable || len([]rune(name)) > maxClientName {
		return ""
	}
	return name
}
