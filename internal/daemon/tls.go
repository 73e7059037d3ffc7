package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api"
	"github.com/scout-speech/scout/internal/certificate"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/settings"
)

// eventCertificateNotWatched is logged where the system does not tell when the files of the certificate are changed.
const eventCertificateNotWatched = "certificate_not_watched"

// eventCertificateRemoved is logged where files of Scout's own CA are removed, because tls.mode is no longer auto.
const eventCertificateRemoved = "certificate_removed"

// certificateEvery is how often the certificate is looked at, however its files change: whether its end is near, and for changes that nobody tells.
const certificateEvery = time.Hour

// CertificateOptions say where the certificate of the settings is, and for which names it is made; nil where TLS is off.
func CertificateOptions(s *settings.Loaded, scope observe.Scope) (*certificate.Options, error) {
	if !s.TLS.On() {
		return nil, nil
	}
	dir, err := s.TLSDir()
	if err != nil {
		return nil, err
	}
	name, _ := os.Hostname() // without one, it is called by its addresses
	wanted := append([]string{"localhost", "127.0.0.1", "::1"}, s.HTTP.Hosts()...)
	called := certificate.ThisMachine(name)
	for _, address := range s.HTTP.Addresses() {
		host, _, err := net.SplitHostPort(address)
		switch {
		case err != nil:
		case host == "", host == "0.0.0.0", host == "::":
			called.IP = append(called.IP, certificate.OfInterfaces().IP...)
		default:
			wanted = append(wanted, host)
		}
	}
	return &certificate.Options{
		Scope: scope, Cert: s.TLS.Cert, Key: s.TLS.Key, Own: s.TLS.Own(), Dir: dir, Wanted: certificate.NamesOf(wanted...), Called: called, KeepCAKey: s.TLS.KeepCAKey == "on",
	}, nil
}

// openCertificate reads or makes the certificate. A person who starts the daemon learns why there is none that can be used. A daemon that a
// command started goes on: what speaks TLS is refused until there is one.
func (d *daemon) openCertificate() error {
	o, err := CertificateOptions(d.options.Settings, d.options.Scope)
	if err == nil {
		err = d.forgetCA(o)
	}
	if err != nil || o == nil {
		return err
	}
	d.certificate, err = certificate.Open(*o)
	if shown, _ := d.certificate.Shown(); err == nil || shown != nil || d.goesOn() {
		return nil // what is wrong was logged, and health tells it
	}
	hint := "mend the files, or serve without TLS: scout settings set tls.mode off"
	if own := scout.HintOf(err); own != "" {
		hint = own + "; or serve without TLS: scout settings set tls.mode off"
	}
	return scout.Errorf(scout.CodeOf(err), "TLS: %w", err).WithHint("%s", hint)
}

// forgetCA removes what another mode of TLS left. That some of it stays is no reason not to serve.
//
//	o  nil where TLS is off
func (d *daemon) forgetCA(o *certificate.Options) error {
	s := d.options.Settings
	if o != nil && o.Own {
		return nil
	}
	if o == nil {
		dir, err := s.TLSDir()
		if err != nil {
			return err
		}
		o = &certificate.Options{Dir: dir, KeepCAKey: s.TLS.KeepCAKey == "on"}
	}
	gone, err := certificate.Forget(*o)
	switch {
	case err != nil:
		d.log.Warn(eventCertificateRemoved, slog.String("files", strings.Join(gone, " ")), slog.String(observe.KeyError, scout.Plain(err)))
	case len(gone) > 0:
		d.log.Info(eventCertificateRemoved, slog.String("files", strings.Join(gone, " ")))
	}
	return nil
}

// servePort answers the clients of an address until the server stops.
func (d *daemon) servePort(p *port) error {
	if p.tls {
		return d.server.ServeTLS(p.listener, p.address, api.TLS{Config: d.certificate.Config(), AlsoPlain: p.plain})
	}
	return d.server.Serve(p.listener, p.address)
}

// watchCertificate looks at the certificate whenever its files change, and from time to time.
func (d *daemon) watchCertificate() {
	if d.certificate == nil {
		return
	}
	look := func() { _ = d.certificate.Look() } // it logs what is wrong
	for _, dir := range d.certificate.Folders() {
		d.components.run("certificate watch", func(ctx context.Context) error {
			err := watchFolder(ctx, dir, func(string) bool { return false }, look)
			if err != nil && !errors.Is(err, context.Canceled) {
				d.log.Warn(eventCertificateNotWatched, slog.String(observe.KeyError, err.Error()))
			}
			return nil
		})
	}
	d.components.run("certificate", func(ctx context.Context) error {
		for resilience.Sleep(ctx, certificateEvery) == nil {
			look()
		}
		return nil
	})
}
