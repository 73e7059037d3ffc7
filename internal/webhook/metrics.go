package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/spelling"
	"github.com/scout-speech/scout/internal/store"
)

// Log events, listed in docs/formats/log-events.md. Their names never change.
const (
	eventCreated   = "webhook_created"
	eventDeleted   = "webhook_deleted"
	eventDelivered = "webhook_delivered"
	// eventFailed is an attempt that failed. The delivery is sent again.
	eventFailed = "webhook_failed"
	// eventGivenUp is a delivery that is not sent again.
	eventGivenUp = "webhook_given_up"
	// eventDisabled is a webhook whose receiver wants no more.
	eventDisabled = "webhook_disabled"
	// eventNotKept is an outcome that could not be written. That is tried again.
	eventNotKept = "webhook_not_kept"
	// eventNotRead is a database from which deliveries could not be read.
	eventNotRead = "webhooks_not_read"
)

type metrics struct {
	outcomes *metric.CounterVec
	took     *metric.Histogram
}

// Outcomes of attempts that are no state of a delivery.
const outcomeRetrying = "retrying"

func newMetrics(s observe.Scope, h *Hooks) *metrics {
	m := &metrics{
		outcomes: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_webhook_deliveries_total", Help: "Attempts to tell a webhook of an event, by what became of the delivery: delivered, retrying, dead.",
		}, []string{"outcome"})),
		took: observe.Register(s, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_webhook_delivery_seconds", Help: "Time that attempts to tell a webhook of an event took.", Buckets: []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15},
		})),
	}
	for _, outcome := range []string{string(store.DeliveryDelivered), outcomeRetrying, string(store.DeliveryDead)} {
		m.outcomes.WithLabelValues(outcome)
	}
	observe.Register(s, newGauges(h))
	return m
}

// gauges are read when somebody asks for them, so that webhooks that are told of nothing cost nothing.
type gauges struct {
	hooks            *Hooks
	waiting, resting *metric.Gauge
}

func newGauges(h *Hooks) *gauges {
	return &gauges{
		hooks:   h,
		waiting: metric.NewGauge(metric.Opts{Name: "scout_webhook_deliveries_waiting", Help: "Deliveries of events to webhooks that wait for their first attempt or for another one."}),
		resting: metric.NewGauge(metric.Opts{Name: "scout_webhook_hosts_resting", Help: "Hosts of webhooks whose breaker is not closed."}),
	}
}

// gaugesWithin bounds the time to read them.
const gaugesWithin = time.Second

// Describe implements metric.Collector.
func (g *gauges) Describe() []metric.Desc {
	return slices.Concat(g.waiting.Describe(), g.resting.Describe())
}

// Collect implements metric.Collector. While the store cannot be read, the number of deliveries is the last that was.
func (g *gauges) Collect() []metric.Family {
	ctx, cancel := context.WithTimeout(context.Background(), gaugesWithin)
	defer cancel()
	if counts, err := g.hooks.store.DeliveryCounts(ctx, g.hooks.now()); err == nil {
		g.waiting.Set(float64(counts.Waiting))
	}
	resting := 0
	for _, ill := range g.hooks.ill() {
		if ill.resting {
			resting++
		}
	}
	g.resting.Set(float64(resting))
	return slices.Concat(g.waiting.Collect(), g.resting.Collect())
}

// tell logs and counts what became of an attempt.
func (h *Hooks) tell(d *store.DueDelivery, kept *store.Delivery, o outcome, took time.Duration) {
	state := string(kept.State)
	if kept.State == store.DeliveryWaiting {
		state = outcomeRetrying
	}
	h.metrics.outcomes.WithLabelValues(state).Inc()
	h.metrics.took.Observe(took.Seconds())
	if o.err != nil {
		h.tellFailure(kept, o, took)
	} else {
		h.log.Info(eventDelivered, slog.String("webhook", d.Webhook), slog.Int64("delivery", d.N), slog.String("event", d.Event), slog.Int(observe.KeyAttempt, kept.Attempts),
			slog.Int("status", o.status), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
	}
	if o.gone {
		h.log.Warn(eventDisabled, slog.String("webhook", d.Webhook), slog.String(observe.KeyReason, scout.Plain(o.err)))
	}
}

func (h *Hooks) tellFailure(d *store.Delivery, o outcome, took time.Duration) {
	attributes := []any{
		slog.String("webhook", d.Webhook), slog.Int64("delivery", d.N), slog.String("event", d.Event), slog.Int(observe.KeyAttempt, d.Attempts), slog.Int("status", o.status),
		slog.Int64(observe.KeyDurationMS, took.Milliseconds()), slog.String(observe.KeyCode, string(scout.CodeOf(o.err))), slog.String(observe.KeyError, o.err.Error()),
	}
	if d.State != store.DeliveryDead {
		h.log.Warn(eventFailed, attributes...)
		return
	}
	_ = h.options.Failures.Count(o.err) // it returns its argument
	h.log.Warn(eventGivenUp, attributes...)
}

// ill is a host that does not work, or that rests.
type ill struct {
	name, reason    string
	owners, resting bool
}

func (h *Hooks) ill() []ill {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []ill
	for _, known := range h.hosts {
		if resting := known.breaker.State() != stateClosed; resting || known.reason != "" {
			list = append(list, ill{known.name, known.reason, known.owners, resting})
		}
	}
	return list
}

const (
	// overdueAfter is how long a delivery may wait that could be sent while nothing is.
	overdueAfter = 2 * time.Minute
	// deadFor is how long a delivery that was given up keeps the webhooks from being healthy.
	deadFor = 24 * time.Hour
)

// Check returns the health check of the webhooks. It is Unhealthy while the breaker of a host of the owner's webhooks is not closed, if
// deliveries cannot be read, or wait and are not sent; Degraded if a receiver wanted no more, or a delivery was given up in the last day. What
// becomes of the webhooks of clients changes nothing: a client chooses where they lead.
func (h *Hooks) Check() health.Check { return health.Check{Name: "webhooks", Probe: h.probe} }

func (h *Hooks) probe(ctx context.Context) health.Result {
	now := h.now()
	hooks, err := h.store.Webhooks(ctx, "")
	if err != nil {
		return health.Failed(err)
	}
	counts, err := h.store.DeliveryCounts(ctx, now.Add(-deadFor))
	if err != nil {
		return health.Failed(err)
	}
	agenda, err := h.store.DeliveryAgenda(ctx, latest(now))
	if err != nil {
		return health.Failed(err)
	}
	result := health.Result{Status: health.Healthy, Metadata: map[string]string{"webhooks": strconv.Itoa(len(hooks)), "waiting": strconv.Itoa(counts.Waiting)}}
	var disabled *store.Webhook
	for i := range hooks {
		if hooks[i].Reason != "" {
			disabled = &hooks[i]
		}
	}
	switch broken := h.brokenHost(); {
	case broken != nil:
		result.Status, result.Reason = health.Unhealthy, fmt.Sprintf("breaker open for %s: %s", broken.name, broken.reason)
	case h.overdue(agenda, now) > overdueAfter:
		result.Status, result.Reason = health.Unhealthy, fmt.Sprintf("a delivery has waited for %s, and none is sent", printable.Length(h.overdue(agenda, now).Round(time.Second)))
	case disabled != nil:
		result.Status, result.Reason = health.Degraded, fmt.Sprintf("webhook %s was disabled: %s (scout webhooks enable %s)", disabled.ID, disabled.Reason, disabled.ID)
	case counts.Dead > 0:
		result.Status, result.Reason = health.Degraded, spelling.Count(counts.Dead, "event")+" not delivered in the last day (scout webhooks deliveries ID)"
	}
	return result
}

// brokenHost is a host of the owner's webhooks whose breaker is not closed, the first by name; nil for none.
func (h *Hooks) brokenHost() (first *ill) {
	for _, one := range h.ill() {
		if one.owners && one.resting && (first == nil || one.name < first.name) {
			first = &one
		}
	}
	return first
}

// overdue is how long the first of the deliveries has waited that may be sent, if none is being sent; 0 for none.
func (h *Hooks) overdue(agenda []store.HostAgenda, now time.Time) (late time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sending > 0 {
		return 0
	}
	for i := range agenda {
		known := h.hosts[agenda[i].Host]
		if known != nil && time.Until(known.rested) > 0 || agenda[i].Next.IsZero() {
			continue
		}
		late = max(late, min(now.Sub(agenda[i].Next), time.Since(h.began)))
	}
	return late
}
