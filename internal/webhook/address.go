package webhook

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/printable"
)

// closedNetworks are networks of IPv4 to which a client's URL may not lead. Source: IANA, IPv4 Special-Purpose Address Registry (RFC 6890),
// and multicast.
var closedNetworks = networks(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // shared by the customers of a provider (CGNAT)
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local, with the data of virtual machines
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocols
	"192.0.2.0/24",    // documents
	"192.88.99.0/24",  // 6to4 relays
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documents
	"203.0.113.0/24",  // documents
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, broadcast
)

// openNetwork has all global addresses of IPv6 (RFC 4291), but for closedNetworks6. What is outside of it, for example loopback,
// link-local, site-local, unique local and multicast addresses, and those that have one of IPv4 in them, is closed.
var openNetwork = netip.MustParsePrefix("2000::/3")

// closedNetworks6 are networks within openNetwork. Source: IANA, IPv6 Special-Purpose Address Registry.
var closedNetworks6 = networks(
	"2001::/23",     // protocols, with Teredo, which has addresses of IPv4 in it
	"2001:db8::/32", // documents
	"2002::/16",     // 6to4, which has addresses of IPv4 in it
	"3fff::/20",     // documents
)

// translated has the addresses of IPv4 in its last 4 bytes, in networks that have IPv6 only (RFC 6052).
var translated = netip.MustParsePrefix("64:ff9b::/96")

func networks(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, text := range list {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// isPublic reports whether an address is one of the internet, as its number tells.
func isPublic(at netip.Addr) bool {
	if at.Zone() != "" {
		return false
	}
	at = at.Unmap()
	closed := closedNetworks
	if at.Is6() {
		if translated.Contains(at) {
			bytes := at.As16()
			return isPublic(netip.AddrFrom4([4]byte(bytes[12:])))
		}
		if !openNetwork.Contains(at) {
			return false
		}
		closed = closedNetworks6
	}
	for _, network := range closed {
		if network.Contains(at) {
			return false
		}
	}
	return at.IsValid()
}

// forbiddenError is an address to which the URL of a client may not lead. It does not name the address: the client would learn what a name
// means in this network.
type forbiddenError struct{}

func (forbiddenError) Error() string {
	return "its host has an address of this machine or of a private network, to which the URL of a client may not lead"
}

// permitted refuses an address that is about to be connected to, which has a port, unless it is one of the internet and of another machine.
// In networks of IPv6 the neighbours have addresses of the internet too: those of the networks that this machine is in are refused.
func permitted(address string, own func() ([]net.Addr, error)) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(to.Addr()) {
		return forbiddenError{}
	}
	mine, err := own()
	if err != nil {
		return forbiddenError{} // nobody can say that it is another machine
	}
	at := to.Addr().Unmap()
	for _, a := range mine {
		network, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue // not of IP
		}
		if at == network.Addr().Unmap() || at.Is6() && network.Contains(at) {
			return forbiddenError{}
		}
	}
	return nil
}

// maxURL bounds a URL.
const maxURL = 2048

// hostOf checks the URL of a webhook, and returns its host with the port.
func hostOf(text string, guarded bool) (string, error) {
	wrong := func(why string) (string, error) {
		return "", scout.Errorf(scout.CodeInvalidArgument, "the URL of a webhook %s", why).WithHint("want for example https://notes.example/hooks/scout")
	}
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return wrong("has more than " + strconv.Itoa(maxURL) + " bytes")
	case err != nil:
		return wrong("cannot be read")
	case printable.Line(text) != text:
		return wrong("has characters that nobody sees")
	case u.Scheme != "http" && u.Scheme != "https", u.Opaque != "":
		return wrong("does not begin with http:// or https://")
	case u.Hostname() == "":
		return wrong("has no host")
	case u.User != nil:
		return wrong("has a name or a password; what is sent is signed instead")
	case u.Fragment != "":
		return wrong("has a part behind #, which nobody would get")
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return wrong("has the port " + port + ", which does not exist")
	}
	if at, err := netip.ParseAddr(host); err == nil && guarded && !isPublic(at) {
		return wrong("leads to this machine or to a private network, which only the owner may have")
	}
	return net.JoinHostPort(host, port), nil
}

// isForbidden reports whether an error comes from permitted.
func isForbidden(err error) bool {
	var forbidden forbiddenError
	return errors.As(err, &forbidden)
}
