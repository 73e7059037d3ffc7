package observe

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/scout-speech/scout"
)

// offTracer starts no spans. Unlike noop.Tracer it allocates nothing: it returns the given context and one shared span
// that does nothing.
type offTracer struct{ noop.Tracer }

// Start returns ctx unchanged and a span that records nothing.
func (offTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return ctx, trace.SpanFromContext(context.Background())
}

// EndSpan ends the span and marks it as failed if err is an error, with its code as attribute. Cancelled work is not an
// error of the span.
func EndSpan(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		code := scout.CodeOf(err)
		span.SetAttributes(attribute.String("scout.code", string(code)))
		if code.Info().Class != scout.Cancelled {
			span.RecordError(err)
			span.SetStatus(codes.Error, string(code))
		}
	}
	span.End()
}

// Traced returns ctx with a trace. If it has none, the trace is new and has a span that nobody records: its id still ties the log lines
// of all processes together. It is marked as sampled, so that whoever records traces keeps its own part.
func Traced(ctx context.Context) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	config := trace.SpanContextConfig{TraceFlags: trace.FlagsSampled}
	_, _ = rand.Read(config.TraceID[:]) // it never fails
	_, _ = rand.Read(config.SpanID[:])  // the same
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(config))
}

// Trace is the log attribute that names the trace of ctx; it is left out of the line if there is none.
func Trace(ctx context.Context) slog.Attr {
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() {
		return slog.String(KeyTrace, s.TraceID().String())
	}
	return slog.Attr{}
}

// Traceparent returns the W3C Trace Context name of the span of ctx, to pass to another process; it is empty if traces
// are off.
func Traceparent(ctx context.Context) string {
	s := trace.SpanContextFromContext(ctx)
	if !s.IsValid() {
		return ""
	}
	return "00-" + s.TraceID().String() + "-" + s.SpanID().String() + "-" + s.TraceFlags().String()
}

// WithTraceparent returns ctx with the span that traceparent names, as another process sent it. If the text is not a
// traceparent, ctx is returned unchanged.
func WithTraceparent(ctx context.Context, traceparent string) context.Context {
	parts := strings.Split(traceparent, "-")
	if len(parts) != 4 || parts[0] != "00" || len(parts[3]) != 2 {
		return ctx
	}
	traceID, err := trace.TraceIDFromHex(parts[1])
	if err != nil {
		return ctx
	}
	spanID, err := trace.SpanIDFromHex(parts[2])
	if err != nil {
		return ctx
	}
	flags := trace.TraceFlags(0)
	if parts[3] == trace.FlagsSampled.String() {
		flags = trace.FlagsSampled
	}
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: flags}))
}
