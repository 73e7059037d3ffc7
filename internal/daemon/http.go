package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/loopback"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/settings"
)

// Log events.
const (
	eventNotListening = "http_not_listening" // a daemon that a command started goes on without that address
	eventWithoutTLS   = "http_without_tls"
)

// port is an address of http.addr, and whether clients reach the daemon there.
type port struct {
	address  string       // as the settings have it, or as it is bound
	listener net.Listener // nil where err is not
	err      error
	tls      bool // it speaks TLS
	plain    bool // and plain HTTP, too
}

// startHTTP listens at the addresses of http.addr. A person who starts the daemon learns what is in the way. A daemon that a command
// started, itself or by the socket of systemd, goes on without that address: the command wanted to record or to read a text, and not to serve a network.
func (d *daemon) startHTTP(ctx context.Context) error {
	if err := d.openCertificate(); err != nil {
		return err
	}
	for _, address := range d.options.Settings.HTTP.Addresses() {
		bound, err := d.listen(ctx, address)
		if err != nil {
			if !d.goesOn() {
				return errors.Join(err, closeAll(d.ports))
			}
			d.ports = append(d.ports, port{address: address, err: err})
			d.log.Warn(eventNotListening, slog.String("address", address), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyReason, scout.Plain(err)))
			continue
		}
		if settings.FromOutside(address) && d.certificate == nil {
			d.log.Warn(eventWithoutTLS, slog.String("address", address))
		}
		for i := range bound {
			bound[i].tls, bound[i].plain = d.certificate != nil, !settings.FromOutside(address) // what stays in the machine needs no TLS
		}
		d.ports = append(d.ports, bound...)
	}
	return d.startMetrics(ctx)
}

// sessionsFile is where the sessions of browsers are kept.
func (d *daemon) sessionsFile() string { return filepath.Join(d.dir, SessionsName) }

// goesOn reports whether the daemon goes on without an address at which it cannot listen.
func (d *daemon) goesOn() bool { return d.options.OnDemand || d.given }

// closeAll closes listeners that are not going to be used.
func closeAll(ports []port) error {
	var errs []error
	for i := range ports {
		if ports[i].listener != nil {
			errs = append(errs, ports[i].listener.Close())
		}
	}
	return errors.Join(errs...)
}

// stopHTTP closes the listeners that the server has not closed.
func (d *daemon) stopHTTP(context.Context) error {
	var errs []error
	for _, p := range slices.Concat(d.ports, d.scrapes) {
		if l := p.listener; l != nil {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// listen listens at one address of http.addr.
func (d *daemon) listen(ctx context.Context, address string) ([]port, error) {
	if settings.FromOutside(address) {
		if err := d.reachable(ctx, address); err != nil {
			return nil, err
		}
	}
	return bindBoth(ctx, address)
}

// bindBoth binds an address: that of both families of IP where it is localhost.
func bindBoth(ctx context.Context, address string) ([]port, error) {
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return nil, scout.Errorf(scout.CodeConfigInvalid, "%s: %w", address, err)
	}
	if strings.EqualFold(host, "localhost") {
		four, err := bind(ctx, "tcp4", net.JoinHostPort("127.0.0.1", number))
		if err != nil {
			return nil, err
		}
		_, number, _ = net.SplitHostPort(four.address) // one that the system chose
		six, err := bind(ctx, "tcp6", net.JoinHostPort("::1", number))
		switch {
		case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT): // a machine without IPv6
			return []port{four}, nil
		case err != nil:
			return nil, errors.Join(err, four.listener.Close())
		}
		return []port{four, six}, nil
	}
	bound, err := bind(ctx, familyOf(host), address)
	if err != nil {
		return nil, err
	}
	return []port{bound}, nil
}

// reachable refuses an address that other machines reach while there is no key: nobody could use it. Where the store cannot be read,
// requests are refused until it can.
func (d *daemon) reachable(ctx context.Context, address string) error {
	keys, err := d.store.AccessKeys(ctx)
	none := err == nil && len(keys) == 0
	const problem = "http.addr %s is reached by other machines, and there is no key"
	switch {
	case none && d.goesOn():
		return scout.Errorf(scout.CodeConfigInvalid, problem+": scout keys create NAME makes one, then scout serve restart", address)
	case none:
		return scout.Errorf(scout.CodeConfigInvalid, problem, address).
			WithHint("make one: scout keys create NAME; end the daemon that this starts: scout serve stop; then serve again. Or use 127.0.0.1:7268")
	}
	return nil
}

// familyOf is the network of an address of the settings. 0.0.0.0 is every address of IPv4 and [::] every one of IPv6, not both: who opens
// the one to others has not opened the other. An address without a host is both.
func familyOf(host string) string {
	at, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return "tcp"
	case at.Unmap().Is4():
		return "tcp4"
	}
	return "tcp6"
}

func bind(ctx context.Context, network, address string) (port, error) {
	l, err := new(net.ListenConfig).Listen(ctx, network, address)
	switch {
	case err == nil:
		return port{address: l.Addr().String(), listener: l}, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return port{}, scout.Errorf(scout.CodeAddressTaken, "another program listens at %s: %w", address, syscall.EADDRINUSE).
			WithHint("see which: ss -ltnp; choose another port: --addr 127.0.0.1:7269, or none: --addr off")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return port{}, scout.Errorf(scout.CodeAddressTaken, "%s is no address of this machine: %w", address, syscall.EADDRNOTAVAIL).
			WithHint("see its addresses: ip address; and choose one of them: --addr, or the setting http.addr")
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return port{}, scout.Errorf(scout.CodeAddressTaken, "this user may not listen at %s: %w", address, syscall.EACCES).
			WithHint("choose a port from 1024 on: --addr, or the setting http.addr")
	}
	return port{}, scout.Errorf(scout.CodeAddressTaken, "listen at %s: %w", address, err)
}

// network is how clients of the network are met.
func (d *daemon) network() api.Network {
	s := d.options.Settings
	name, _ := os.Hostname() // without one, it is called by its addresses
	return api.Network{
		BasePath: s.HTTP.BasePath, Name: name, Hosts: s.HTTP.Hosts(), Origins: s.HTTP.Origins(), KeysAlways: s.Auth.Loopback == "key", Peer: loopback.User, MetricsKey: d.metricsKey,
		RequestsPerMinute: s.Limits.RequestsPerMinute, Streams: s.Limits.Streams, StreamsPerClient: s.Limits.StreamsPerClient,
	}
}

// listening are the addresses for status.
func (d *daemon) listening() []v1.Listening {
	all := slices.Concat(d.ports, d.scrapes)
	out := make([]v1.Listening, len(all))
	for i := range all {
		p := &all[i]
		out[i] = v1.Listening{Address: p.address, Listening: p.err == nil, TLS: p.tls, Plain: p.plain || !p.tls, Metrics: i >= len(d.ports)}
		if p.err != nil {
			out[i].Reason = scout.Plain(p.err)
		}
	}
	return out
}

// addresses are those at which clients are answered, the socket first.
func (d *daemon) addresses() []string {
	all := []string{d.socket}
	for i := range d.ports {
		p := &d.ports[i]
		if p.err != nil {
			continue
		}
		if p.plain || !p.tls {
			all = append(all, "http://"+p.address+d.options.Settings.HTTP.BasePath)
		}
		if p.tls {
			all = append(all, "https://"+p.address+d.options.Settings.HTTP.BasePath)
		}
	}
	return all
}

// pages is the URL below which a browser on this machine finds the daemon; empty for none. It is plain HTTP where the port takes that: a browser
// that does not know the certificate would warn.
//
//	secure  whether it is asked for over TLS: whoever does, knows the certificate
func (d *daemon) pages(secure bool) string {
	for i := range d.ports {
		p := &d.ports[i]
		if p.err != nil {
			continue
		}
		at, err := netip.ParseAddrPort(p.address)
		if err != nil {
			continue
		}
		switch host := at.Addr(); {
		case host.IsUnspecified() && host.Is4():
			at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
		case host.IsUnspecified():
			at = netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
		}
		scheme := "http://"
		if p.tls && (secure || !p.plain) {
			scheme = "https://"
		}
		return scheme + at.String() + d.options.Settings.HTTP.BasePath
	}
	return ""
}
