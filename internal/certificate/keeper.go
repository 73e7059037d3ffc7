// Package certificate has the certificate with which the daemon speaks TLS: a pair of files of the person, read again when they change, or one that
// Scout's own CA made for this machine alone. docs/adr/0106-tls.md says why, and how long they last.
package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// Log events, listed in docs/formats/log-events.md. Their names never change.
const (
	eventMade    = "certificate_made"
	eventLoaded  = "certificate_loaded"
	eventRefused = "certificate_refused"
)

// CheckName is the name of the check of the certificate.
const CheckName = "tls"

// filesToldBefore is from when on health tells of the end of a certificate that somebody else renews.
const filesToldBefore = 14 * day

// Options say where the certificate is.
type Options struct {
	Scope observe.Scope
	// Cert and Key are files of the person. Where both are empty, Dir is the folder of Scout's own CA.
	Cert, Key string
	Own       bool
	Dir       string
	// Wanted are the names that the settings demand: without one of them the certificate is made again. Called are those that the machine has
	// itself: a certificate that is made has them, too. Only for Scout's own CA.
	Wanted, Called Names
	// KeepCAKey keeps the key of the CA, so that the next certificate needs no new CA.
	KeepCAKey bool
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// ClockIsRight reports whether a time service keeps the clock right; nil for what the kernel says.
	ClockIsRight func() bool
	// System is where Scout's own files are written; nil for the real one. Tests put one that fails in its place.
	System atomicfile.System
}

// Keeper has the certificate that is shown now. It is safe for concurrent use.
type Keeper struct {
	options Options
	log     *slog.Logger
	expiry  *metric.Gauge

	looking sync.Mutex // held by Look
	mu      sync.Mutex
	pair    *Pair // nil for none
	ca      *x509.Certificate
	problem error // why the files as they are now cannot be used; nil if they can
}

// Open reads the certificate, or makes it. The keeper is there also where the error says why it has none: it looks again with Look.
func Open(o Options) (*Keeper, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ClockIsRight == nil {
		o.ClockIsRight = clockIsRight
	}
	k := &Keeper{
		options: o, log: o.Scope.Component("tls").Log(),
		expiry: observe.Register(o.Scope, metric.NewGauge(metric.Opts{
			Name: "scout_tls_certificate_expiry_timestamp_seconds", Help: "When the certificate that clients are shown ends, in Unix time; 0 without one.",
		})),
	}
	err := k.Look()
	return k, err
}

// Folders are those whose files matter. Look is to be called when something in them has changed.
func (k *Keeper) Folders() []string {
	if k.options.Own {
		return []string{k.options.Dir}
	}
	folders := []string{filepath.Dir(k.options.Cert)}
	if dir := filepath.Dir(k.options.Key); dir != folders[0] {
		folders = append(folders, dir)
	}
	return folders
}

// Look reads the files again, and makes the certificate anew where it is Scout's own and cannot be used for much longer. What cannot be used
// changes nothing: the certificate of before stays. The error says why; it is logged once.
func (k *Keeper) Look() error {
	k.looking.Lock()
	defer k.looking.Unlock()
	var pair *Pair
	var ca *x509.Certificate
	var err error
	if k.options.Own {
		pair, ca, err = k.lookAtOwn()
	} else {
		pair, err = Read(k.options.Cert, k.options.Key)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		if pair != nil {
			k.show(pair, ca)
		}
		if k.problem == nil || k.problem.Error() != err.Error() {
			k.log.Warn(eventRefused, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)), slog.Bool("kept", k.pair != nil))
		}
		k.problem = err
		return err
	}
	k.problem = nil
	k.show(pair, ca)
	return nil
}

// show has clients shown a certificate. The caller holds the lock.
func (k *Keeper) show(pair *Pair, ca *x509.Certificate) {
	if !samePair(k.pair, pair) {
		k.log.Info(eventLoaded, slog.String("names", strings.Join(pair.Names(), " ")), slog.Time("not_after", pair.Leaf.NotAfter.UTC()), slog.String("fingerprint", Fingerprint(pair.Leaf)))
	}
	k.pair, k.ca = pair, ca
	k.expiry.Set(float64(pair.Leaf.NotAfter.Unix()))
}

// lookAtOwn reads the certificate of Scout's own CA, and makes it where that is necessary.
func (k *Keeper) lookAtOwn() (*Pair, *x509.Certificate, error) {
	o := &k.options
	if !o.KeepCAKey {
		if err := forgetKey(o.Dir); err != nil {
			return nil, nil, err
		}
	}
	pair, ca, err := own(o.Dir)
	if err != nil && !useless(err) {
		return nil, nil, err // that of before stays, and the files
	}
	why, unread := k.remake(pair, ca, err)
	if why == "" || unread != nil {
		return pair, ca, unread
	}
	renewed, makeErr := o.makePair(absent(err))
	if makeErr != nil && err == nil {
		return pair, ca, makeErr // it is still good
	}
	if makeErr != nil {
		return nil, nil, errors.Join(makeErr, err)
	}
	if pair, ca, err = own(o.Dir); err != nil {
		return nil, nil, err
	}
	k.log.Info(eventMade, slog.String("names", strings.Join(pair.Names(), " ")), slog.String(observe.KeyReason, why), slog.Bool("same_ca", renewed),
		slog.Time("not_after", pair.Leaf.NotAfter.UTC()), slog.String("ca_sha256", Fingerprint(ca)))
	return pair, ca, nil
}

// remake says why the certificate is made anew; empty where it stays. unread says that the key of the CA cannot be read now.
func (k *Keeper) remake(pair *Pair, ca *x509.Certificate, err error) (why string, unread error) {
	o := &k.options
	switch {
	case absent(err):
		return "there was none", nil
	case err != nil:
		return scout.Plain(err), nil
	}
	before, now := remadeBefore, o.Now()
	if o.KeepCAKey {
		kept, err := keptAuthority(o.Dir, o.Wanted, now)
		if err != nil {
			return "", err
		}
		if kept != nil {
			before = renewedBefore
		}
	}
	missing := o.Wanted.missing(pair.Leaf)
	switch {
	case len(missing) > 0:
		return "it is not for " + strings.Join(missing, ", "), nil
	case pair.Leaf.NotAfter.Before(now.Add(before)), ca.NotAfter.Before(now.Add(before)):
		return "it ends on " + date(pair.Leaf.NotAfter), nil
	case pair.Leaf.NotBefore.After(now) && o.ClockIsRight(): // made when the clock was ahead. A clock that is behind now is no reason
		return "it begins on " + date(pair.Leaf.NotBefore), nil
	}
	return "", nil
}

// Shown is the certificate that clients are shown, and Scout's own CA, if it made it; nil for none.
func (k *Keeper) Shown() (*Pair, *x509.Certificate) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pair, k.ca
}

// Config is that of a server of TLS, which offers HTTP/2 and HTTP/1.1.
func (k *Keeper) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, _ := k.Shown()
			if pair == nil {
				return nil, scout.Errorf(scout.CodeCertificateInvalid, "there is no certificate")
			}
			return &pair.Certificate, nil
		},
	}
}

// Check tells whether clients can trust the certificate.
func (k *Keeper) Check() health.Check {
	return health.Check{Name: CheckName, Probe: func(context.Context) health.Result {
		k.mu.Lock()
		defer k.mu.Unlock()
		result := health.Result{Status: health.Healthy, Metadata: map[string]string{"mode": "files"}}
		if k.options.Own {
			result.Metadata["mode"] = "auto"
		}
		if k.pair == nil {
			return health.Failed(k.problem) // there is one, or it says why not
		}
		leaf := k.pair.Leaf
		result.Metadata["not_after"] = leaf.NotAfter.UTC().Format(time.RFC3339)
		result.Metadata["names"] = strings.Join(k.pair.Names(), " ")
		result.Metadata["sha256"] = Fingerprint(leaf)
		if unnamed := k.options.Unnamed(leaf); unnamed != "" && k.options.Own {
			result.Metadata["not_named"] = unnamed
		}
		result.Status, result.Reason = k.judge(leaf)
		return result
	}}
}

// judge says what is wrong with the certificate that clients are shown: the time first, which ends everything, then all else. The caller holds the lock.
func (k *Keeper) judge(leaf *x509.Certificate) (health.Status, string) {
	status, now := health.Healthy, k.options.Now()
	var reasons []string
	tell := func(r health.Result) {
		if len(reasons) == 0 {
			status = r.Status
		}
		reasons = append(reasons, r.Reason)
	}
	switch {
	case !now.Before(leaf.NotAfter):
		tell(health.Result{Status: health.Unhealthy, Reason: "the certificate ended on " + date(leaf.NotAfter) + ": clients refuse it"})
	case now.Before(leaf.NotBefore):
		tell(health.Result{Status: health.Unhealthy, Reason: "the certificate begins on " + date(leaf.NotBefore) + ": clients refuse it, or the clock of this machine is wrong"})
	case leaf.NotAfter.Before(now.Add(k.toldBefore())):
		tell(health.Result{Status: health.Degraded, Reason: "the certificate ends on " + date(leaf.NotAfter)})
	}
	if k.problem != nil {
		tell(health.Result{Status: health.Degraded, Reason: "the certificate of before stays, the new one is not used: " + scout.Plain(k.problem)})
	}
	if k.pair.Exposed {
		tell(health.Result{Status: health.Degraded, Reason: "other users can read the key of the certificate"})
	}
	return status, strings.Join(reasons, "; ")
}

// toldBefore is how long before its end health tells of it. A certificate that is renewed by itself and needs no new trust is not told of.
func (k *Keeper) toldBefore() time.Duration {
	switch {
	case !k.options.Own:
		return filesToldBefore
	case k.options.KeepCAKey && k.ca != nil && k.ca.NotAfter.After(k.options.Now().Add(toldBefore+renewedBefore)):
		return renewedBefore - day // it was to be renewed by then
	}
	return toldBefore
}

func date(t time.Time) string { return t.Local().Format(time.DateOnly) }

// Unnamed are the names that this machine has now and the certificate has not.
func (o *Options) Unnamed(leaf *x509.Certificate) string {
	return strings.Join(o.Wanted.with(o.Called).missing(leaf), " ")
}

// Described is what there is for people who ask without the daemon.
type Described struct {
	Pair *Pair
	CA   *x509.Certificate // of Scout's own, nil for none
	CAAt string
	// CAKey is true where the key of the CA is in its folder.
	CAKey bool
	Err   error // why there is none that can be used
}

// Describe reads the certificate, and changes nothing.
func Describe(o Options) Described {
	var d Described
	if o.Own {
		d.CAAt = CAFile(o.Dir)
		d.Pair, d.CA, d.Err = own(o.Dir)
		_, err := os.Stat(caKeyFile(o.Dir))
		d.CAKey = err == nil
		if absent(d.Err) {
			d.Err = scout.Errorf(scout.CodeNotFound, "Scout has made no certificate yet").WithHint("it is made when the daemon starts: scout serve restart")
		}
		return d
	}
	d.Pair, d.Err = Read(o.Cert, o.Key)
	return d
}

// NamesOf are names and addresses of a certificate out of words: what is no address is a name, in lower case. What cannot be a name in a
// certificate is left out.
func NamesOf(words ...string) Names {
	var n Names
	for _, word := range words {
		ip, isIP := address(word)
		name := strings.ToLower(strings.TrimSuffix(word, "."))
		switch {
		case isIP:
			n.IP = append(n.IP, ip)
		case isName(name):
			n.DNS = append(n.DNS, name)
		}
	}
	return Names{}.with(n)
}

// String lists the names.
func (n Names) String() string {
	all := slices.Clone(n.DNS)
	for _, ip := range n.IP {
		all = append(all, ip.String())
	}
	return strings.Join(all, " ")
}
