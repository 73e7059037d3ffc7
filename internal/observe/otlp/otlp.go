// Package otlp sends spans to an OpenTelemetry receiver. It is separate from package observe because the exporter
// brings much code with it, and a process without traces must not contain it (docs/adr/0020-recorder-process.md).
package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// tracesPath is where an OTLP/HTTP receiver takes spans (OpenTelemetry Protocol specification,
// "OTLP/HTTP Request").
const tracesPath = "/v1/traces"

// Open returns a tracer that sends spans to an OTLP/HTTP endpoint such as http://localhost:4318 (or a full URL with
// another path), and the function that flushes and ends it. With an empty endpoint tracing is off: the tracer does
// nothing and costs nothing. An endpoint that is not an http or https URL gives scout.CodeConfigInvalid. An endpoint
// that does not answer is not an error, since it may answer later: the spans that it did not take are logged and counted
// with the scope, and dropped.
func Open(ctx context.Context, s observe.Scope, endpoint, version string) (trace.Tracer, func(context.Context) error, error) {
	if endpoint == "" {
		return observe.Scope{}.Tracer(), func(context.Context) error { return nil }, nil
	}
	target, err := tracesURL(endpoint)
	if err != nil {
		return nil, nil, err
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(target))
	if err != nil {
		return nil, nil, scout.Errorf(scout.CodeConfigInvalid, "trace endpoint %q: %w", endpoint, err)
	}
	reporter := &failureReporter{SpanExporter: exporter, scope: s, lost: observe.Register(s, metric.NewCounter(metric.Opts{
		Name: "scout_trace_spans_lost_total", Help: "Spans of traces that could not be sent to their receiver.",
	}))}
	batches := sdktrace.NewBatchSpanProcessor(reporter)
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(batches),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "scout"),
			attribute.String("service.version", version),
		)),
	)
	shutdown := func(ctx context.Context) error {
		// Not the provider's Shutdown: if ctx has already ended, that ends nothing and cannot be repeated.
		if err := batches.Shutdown(ctx); err != nil {
			return fmt.Errorf("flush traces: %w", err)
		}
		return nil
	}
	return provider.Tracer("github.com/scout-speech/scout"), shutdown, nil
}

// tracesURL checks the endpoint and adds the receiver's path if there is none. The exporter itself replaces a wrong URL
// by its default and a missing path by the root.
func tracesURL(endpoint string) (string, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return "", scout.Errorf(scout.CodeConfigInvalid, "trace endpoint: %w", err)
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
		return "", scout.Errorf(scout.CodeConfigInvalid, "trace endpoint %q: want a URL such as http://localhost:4318", endpoint)
	}
	if target.Path == "" || target.Path == "/" {
		target.Path = tracesPath
	}
	return target.String(), nil
}

// failureReporter is an exporter that logs its failures. The SDK would print them to stderr, unstructured, among the
// user's text.
type failureReporter struct {
	sdktrace.SpanExporter
	scope observe.Scope
	lost  *metric.Counter
}

// ExportSpans sends the spans; if that fails, it logs, counts and drops them.
func (r *failureReporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := r.SpanExporter.ExportSpans(ctx, spans); err != nil {
		r.lost.Add(float64(len(spans)))
		r.scope.Log().Warn(eventTraceExportFailed, slog.Int("spans", len(spans)), slog.String(observe.KeyError, err.Error()))
	}
	return nil
}
