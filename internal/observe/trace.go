package observe

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/scout-speech/scout"
)

// offTracer starts no spans. Unlike noop.Tracer it allocates nothing: it hands back the context it
// was given and the one span that does nothing.
type offTracer struct{ noop.Tracer }

// Start returns ctx as it is and a span that records nothing.
func (offTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return ctx, trace.SpanFromContext(context.Background())
}

// EndSpan ends the span and marks it failed where err is an error, with its code as attribute.
// Cancelled work is not an error of the span.
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
