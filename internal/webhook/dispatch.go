package webhook

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/store"
)

const (
	// mostSending and mostPerHost bound the attempts at the same time: a host that hangs keeps the others waiting for nothing. Hosts to which
	// webhooks of jobs alone lead have mostOfJobs of them: a client may choose many hosts that hang.
	mostSending = 16
	mostOfJobs  = 12
	mostPerHost = 2
	// readAgain is when deliveries that could not be read are read again.
	readAgain = 5 * time.Second
	// keptFirst and keptLast bound the pauses before an outcome is written again that could not be.
	keptFirst = 100 * time.Millisecond
	keptLast  = 10 * time.Second
	// trimEvery is how often deliveries that ended long ago are removed.
	trimEvery = time.Hour
	// soon is how long a daemon that was started on demand waits for the next attempt. A later one is for the next daemon.
	soon = 15 * time.Minute
)

// host is what is known of a host for which deliveries wait. Hooks.mu guards all but the breaker.
type host struct {
	name    string
	breaker *resilience.Breaker
	owners  bool              // webhooks of the owner lead there
	sending map[sent]struct{} // the deliveries that are being sent
	rested  time.Time         // when it may be tried again; zero for at once
	reason  string            // why the last attempt failed; empty where it did not
}

// sent names a delivery.
type sent struct {
	webhook string
	n       int64
}

// Run sends what waits until ctx ends. It waits for all that it started; what was being sent then is sent again by the next process.
func (h *Hooks) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	var keep keeper
	defer keep.release()
	for ctx.Err() == nil {
		h.mu.Lock()
		reopened := h.reopened
		h.mu.Unlock()
		rung, end := h.store.Listen(store.DeliveryStream)
		h.serve(ctx, &work, &keep, rung, reopened)
		end()
	}
	return nil
}

// serve sends what waits in the store that is open, until another one is or ctx ends.
func (h *Hooks) serve(ctx context.Context, work *sync.WaitGroup, keep *keeper, rung, reopened <-chan struct{}) {
	for ctx.Err() == nil {
		h.trim(ctx)
		timer := time.NewTimer(h.round(ctx, work, keep))
		select {
		case <-rung:
		case <-h.changed:
		case <-timer.C:
		case <-reopened:
			timer.Stop()
			return
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// Reopened is called when another database has taken the place of the store, or the first one is there.
func (h *Hooks) Reopened() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.reopened)
	h.reopened = make(chan struct{})
}

// keeper holds what Options.Begin returned while deliveries are to be sent soon.
type keeper struct{ end func() }

func (k *keeper) hold(begin func() func(), wanted bool) {
	switch {
	case !wanted:
		k.release()
	case k.end == nil && begin != nil:
		k.end = begin()
	}
}

func (k *keeper) release() {
	if k.end != nil {
		k.end()
		k.end = nil
	}
}

// round begins the attempts that may begin. It returns after how long to look again in any case.
func (h *Hooks) round(ctx context.Context, work *sync.WaitGroup, keep *keeper) time.Duration {
	const never = 24 * time.Hour // a change wakes
	now := h.now()
	agenda, err := h.store.DeliveryAgenda(ctx, latest(now))
	if err != nil {
		h.unread(ctx, err)
		return readAgain
	}
	wake, near := never, false
	for i := range agenda {
		a := &agenda[i]
		near = near || a.Next.Sub(now) <= soon
		pause, room, busy := h.turn(a, now)
		if pause > 0 {
			wake = min(wake, pause)
		}
		if room == 0 {
			continue
		}
		due, err := h.store.DueDeliveries(ctx, a.Host, now, latest(now), mostPerHost+room)
		if err != nil {
			h.unread(ctx, err)
			wake = min(wake, readAgain)
			continue
		}
		for j := range due {
			if _, sending := busy[sent{due[j].Webhook, due[j].N}]; room > 0 && !sending {
				h.begin(a.Host, &due[j])
				room--
				work.Go(func() { h.attempt(ctx, a.Host, &due[j]) })
			}
		}
	}
	h.forget(agenda)
	keep.hold(h.options.Begin, near)
	return wake
}

// unread logs that deliveries could not be read.
func (h *Hooks) unread(ctx context.Context, err error) {
	if ctx.Err() == nil {
		h.log.Warn(eventNotRead, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
}

// turn says how many attempts to a host may begin now. Where none may, pause is when to look again; 0 where something else wakes. busy are the
// deliveries that are being sent: what is read after that may have them as they were before.
func (h *Hooks) turn(a *store.HostAgenda, now time.Time) (pause time.Duration, room int, busy map[sent]struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.hosts[a.Host]
	if known == nil {
		known = &host{name: a.Host, sending: make(map[sent]struct{}), breaker: h.newBreaker(a.Host)}
		h.hosts[a.Host] = known
	}
	known.owners = a.Owners
	if left := time.Until(known.rested); left > 0 {
		return left, 0, nil
	}
	if wait := a.Next.Sub(now); wait > 0 {
		return wait, 0, nil
	}
	most := mostPerHost
	if known.breaker.State() != stateClosed {
		most = 1 // a probe
	}
	free := mostSending - h.sending
	if !a.Owners {
		free = min(free, mostOfJobs-h.ofJobs())
	}
	return 0, max(0, min(most-len(known.sending), free)), maps.Clone(known.sending)
}

// ofJobs is how many attempts go to hosts to which webhooks of jobs alone lead; mu is held.
func (h *Hooks) ofJobs() (n int) {
	for _, known := range h.hosts {
		if !known.owners {
			n += len(known.sending)
		}
	}
	return n
}

// stateClosed is the state of a breaker that lets everything pass.
const stateClosed = "closed"

// newBreaker returns the breaker of a host. Its metrics are not registered: clients choose hosts, and labels are bounded.
func (h *Hooks) newBreaker(name string) *resilience.Breaker {
	return resilience.NewBreaker(observe.NewScope(h.log, nil, nil), resilience.BreakerOptions{
		Name: "webhook " + name, Rest: h.options.Rest,
		OpenError: func() error { return scout.Errorf(scout.CodeUnavailable, "the host rests after repeated failures") },
	})
}

// begin notes that a delivery is being sent.
func (h *Hooks) begin(name string, d *store.DueDelivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hosts[name].sending[sent{d.Webhook, d.N}] = struct{}{}
	h.sending++
}

// left notes that an attempt is over.
func (h *Hooks) left(name string, d *store.DueDelivery) {
	h.mu.Lock()
	delete(h.hosts[name].sending, sent{d.Webhook, d.N})
	h.sending--
	h.mu.Unlock()
	h.look()
}

// forget drops the hosts for which nothing waits, unless they rest: what comes next must not find them well.
func (h *Hooks) forget(agenda []store.HostAgenda) {
	wanted := make(map[string]bool, len(agenda))
	for i := range agenda {
		wanted[agenda[i].Host] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, known := range h.hosts {
		if !wanted[name] && len(known.sending) == 0 && time.Since(known.rested) > 0 {
			delete(h.hosts, name)
		}
	}
}

// rest leaves a host alone for a while.
func (h *Hooks) rest(to *host, pause time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to.rested = time.Now().Add(pause)
}

// noted keeps why a host does not work; empty where it does.
func (h *Hooks) noted(to *host, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to.reason = reason
}

// attempt sends a delivery once, and keeps what became of it.
func (h *Hooks) attempt(ctx context.Context, name string, d *store.DueDelivery) {
	defer h.left(name, d)
	h.mu.Lock()
	to := h.hosts[name]
	h.mu.Unlock()
	err := h.options.Failures.Guard("webhook", func() error { // a defect costs this delivery and no other one
		h.try(ctx, to, d)
		return nil
	})
	if err != nil {
		h.keep(ctx, d, outcome{err: err, never: true}, 0)
	}
}

func (h *Hooks) try(ctx context.Context, to *host, d *store.DueDelivery) {
	body, err := h.body(ctx, d)
	if err != nil { // of the store
		h.unread(ctx, err)
		h.rest(to, readAgain)
		return
	}
	var o outcome
	began := time.Now()
	admitted := false
	_ = to.breaker.Do(ctx, func(ctx context.Context) error { // o says it, too
		admitted = true
		o = h.sender.send(ctx, &d.Hook, d.Message, h.now(), body)
		if o.err != nil && (o.down || scout.ClassOf(o.err) == scout.Cancelled) {
			return o.err
		}
		return nil // the host works, whatever it thinks of the message
	})
	switch {
	case !admitted:
		h.rest(to, h.options.Rest)
		return
	case ctx.Err() != nil && o.err != nil: // the process ends: the next one sends it
		return
	}
	if o.down {
		h.noted(to, scout.Plain(o.err))
	} else {
		h.noted(to, "")
	}
	if to.breaker.Open() {
		h.rest(to, h.options.Rest)
	}
	h.keep(ctx, d, o, time.Since(began))
}

// body is what is sent.
func (h *Hooks) body(ctx context.Context, d *store.DueDelivery) ([]byte, error) {
	data := d.Data
	if d.Hook.IncludeText {
		with, err := h.withText(ctx, d)
		if err != nil {
			return nil, err
		}
		data = with
	}
	return message(d.Event, d.At, data)
}

// withText adds the text to what an event says, if it is about one that is still there. A version never changes, so all attempts send
// the same.
func (h *Hooks) withText(ctx context.Context, d *store.DueDelivery) (json.RawMessage, error) {
	var said struct {
		Transcript string `json:"transcript"`
		Version    int    `json:"version"`
	}
	fields := make(map[string]json.RawMessage)
	if json.Unmarshal(d.Data, &said) != nil || json.Unmarshal(d.Data, &fields) != nil || said.Version == 0 || d.Recording == "" {
		return d.Data, nil //nolint:nilerr // it is about no text
	}
	key := store.MainKey(d.Recording)
	if said.Transcript != "" {
		named, err := store.ParseKey(said.Transcript)
		if err != nil {
			return d.Data, nil //nolint:nilerr // there is no such text
		}
		key = named
	}
	text, err := h.store.Transcript(ctx, key, said.Version)
	if code := scout.CodeOf(err); err != nil && (code == scout.CodeNotFound || code == scout.CodeRecordingNotFound) {
		return d.Data, nil // it was purged
	} else if err != nil {
		return nil, err
	}
	if fields["text"], err = json.Marshal(text.Text()); err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}

// keep writes what became of an attempt. A store that cannot be written is tried again until ctx ends: then the next process sends the
// delivery again.
func (h *Hooks) keep(ctx context.Context, d *store.DueDelivery, o outcome, took time.Duration) {
	pause := keptFirst
	for {
		kept, err := h.write(context.WithoutCancel(ctx), d, o)
		if err == nil {
			h.tell(d, &kept, o, took)
			return
		}
		if code := scout.CodeOf(err); code == scout.CodeNotFound {
			return // the webhook was deleted meanwhile
		}
		h.log.Warn(eventNotKept, slog.String("webhook", d.Webhook), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		if resilience.Sleep(ctx, pause) != nil {
			return
		}
		pause = min(2*pause, keptLast)
	}
}

// write writes what became of an attempt, and returns the delivery as it is now.
func (h *Hooks) write(ctx context.Context, d *store.DueDelivery, o outcome) (kept store.Delivery, err error) {
	err = h.store.Update(ctx, func(tx store.Tx) error {
		kept, err = tx.Delivery(d.Webhook, d.N)
		if err == nil && kept.Message != d.Message {
			err = scout.Errorf(scout.CodeNotFound, "another database has another delivery %d of webhook %s", d.N, d.Webhook)
		}
		if err != nil {
			return err
		}
		settle(&kept, o, h.now())
		if err := tx.PutDelivery(&kept); err != nil || !o.gone {
			return err
		}
		hook, err := tx.Webhook(d.Webhook)
		if err != nil {
			return err
		}
		hook.Enabled, hook.Reason = false, scout.Plain(o.err)
		if _, err := tx.PutWebhook(hook); err != nil {
			return err
		}
		_, err = tx.EndDeliveries(d.Webhook, store.JobErrorOf(failed("the webhook was disabled: %s", hook.Reason)))
		return err
	})
	return kept, err
}

// trim removes deliveries that ended long ago, from time to time.
func (h *Hooks) trim(ctx context.Context) {
	if time.Since(h.trimmed) < trimEvery {
		return
	}
	h.trimmed = time.Now()
	if err := h.store.Update(ctx, func(tx store.Tx) error { return tx.TrimDeliveries(h.options.Keep) }); err != nil {
		h.unread(ctx, err)
	}
}
