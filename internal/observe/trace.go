package observe

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/scout-speech/scout"
)

// OpenTracer returns a tracer that sends spans to an OTLP/HTTP endpoint such as
// http://localhost:4318, and the function that flushes and ends it. With an empty endpoint tracing
// is off: the tracer does nothing and costs nothing.
func OpenTracer(ctx context.Context, endpoint, version string) (trace.Tracer, func(context.Context) error, error) {
	if endpoint == "" {
		return noop.Tracer{}, func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, nil, scout.Errorf(scout.CodeConfigInvalid, "trace endpoint %q: %w", endpoint, err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "scout"),
			attribute.String("service.version", version),
		)),
	)
	shutdown := func(ctx context.Context) error {
		if err := provider.Shutdown(ctx); err != nil {
			return fmt.Errorf("flush traces: %w", err)
		}
		return nil
	}
	return provider.Tracer("github.com/scout-speech/scout"), shutdown, nil
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
