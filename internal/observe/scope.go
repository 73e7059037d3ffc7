package observe

import (
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"github.com/scout-speech/scout/internal/observe/metric"
)

// Scope is what a component needs to be observed: a logger, a registerer, a tracer. It is passed by value. The zero
// value observes nothing and is safe to use.
type Scope struct {
	log     *slog.Logger
	metrics metric.Registerer
	tracer  trace.Tracer
}

// NewScope returns a scope over the given parts; each may be nil and is then off.
func NewScope(log *slog.Logger, metrics metric.Registerer, tracer trace.Tracer) Scope {
	return Scope{log: log, metrics: metrics, tracer: tracer}
}

// Component returns the scope for a part of the program: its log lines carry component=name.
func (s Scope) Component(name string) Scope {
	s.log = s.Log().With(slog.String(keyComponent, name))
	return s
}

// Log returns the logger, never nil.
func (s Scope) Log() *slog.Logger {
	if s.log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.log
}

// Tracer returns the tracer, never nil. A tracer that is off starts spans without an allocation. To keep it so, set
// attributes after span.IsRecording, not in the options of Start.
func (s Scope) Tracer() trace.Tracer {
	if s.tracer == nil {
		return offTracer{}
	}
	return s.tracer
}

// Register adds the collector to the scope's registerer and returns the one to use: the collector itself, or an equal
// one that is already registered, so that two instances of a component share their metrics. Without a registerer the
// collector works and nobody reads it. A collector that contradicts a registered one (same name, other labels) is a
// defect. It stays unregistered, and that is logged.
func Register[C metric.Collector](s Scope, collector C) C {
	if s.metrics == nil {
		return collector
	}
	registered, err := s.metrics.Register(collector)
	if err == nil {
		if mine, ok := registered.(C); ok {
			return mine
		}
		err = fmt.Errorf("a %T has the metrics of a %T", registered, collector)
	}
	s.Log().Error(eventMetricRejected, slog.String(KeyError, err.Error()))
	return collector
}
