package observe_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

func TestTracingThatIsOffCostsNothing(t *testing.T) { // not parallel: AllocsPerRun forbids it
	off, shutdown, err := observe.OpenTracer(t.Context(), "", "test")
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	errOdd := errors.New("odd")
	for name, tracer := range map[string]trace.Tracer{"opened without an endpoint": off, "of an empty scope": observe.Scope{}.Tracer()} {
		ctx := t.Context()
		if got := testing.AllocsPerRun(1000, func() {
			inner, outerSpan := tracer.Start(ctx, "transcribe")
			_, span := tracer.Start(inner, "decode")
			observe.EndSpan(span, errOdd)
			observe.EndSpan(outerSpan, nil)
		}); got != 0 {
			t.Errorf("%s: %v allocations for two spans", name, got)
		}
	}
	if err := shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func TestTracesReachAnOTLPEndpoint(t *testing.T) {
	t.Parallel()
	for name, suffix := range map[string]string{"the receiver alone": "", "with a slash": "/", "the whole URL": "/v1/traces"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			received := make(chan *collector.ExportTraceServiceRequest, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				request := new(collector.ExportTraceServiceRequest)
				if err == nil {
					err = proto.Unmarshal(body, request)
				}
				if err != nil || r.URL.Path != "/v1/traces" || r.Method != http.MethodPost {
					t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
				}
				received <- request
			}))
			defer server.Close()

			tracer, shutdown, err := observe.OpenTracer(t.Context(), server.URL+suffix, "1.2.3")
			if err != nil {
				t.Fatalf("open: %v", err)
			}
			ctx, outer := observe.NewScope(nil, nil, tracer).Tracer().Start(t.Context(), "transcribe")
			_, inner := tracer.Start(ctx, "decode")
			observe.EndSpan(inner, scout.Errorf(scout.CodeEngineCrashed, "engine ended"))
			observe.EndSpan(outer, nil)
			if err := shutdown(t.Context()); err != nil {
				t.Fatalf("shutdown: %v", err)
			}

			resource := (<-received).GetResourceSpans()[0]
			var facts []string
			for _, fact := range resource.GetResource().GetAttributes() {
				facts = append(facts, fact.GetKey()+"="+fact.GetValue().GetStringValue())
			}
			if got := strings.Join(facts, " "); got != "service.name=scout service.version=1.2.3" {
				t.Errorf("resource %s", got)
			}
			spans := make(map[string]*otlp.Span)
			for _, span := range resource.GetScopeSpans()[0].GetSpans() {
				spans[span.GetName()] = span
			}
			if decode := spans["decode"]; decode.GetStatus().GetCode() != otlp.Status_STATUS_CODE_ERROR ||
				!bytes.Equal(decode.GetParentSpanId(), spans["transcribe"].GetSpanId()) {
				t.Errorf("spans %v", spans)
			}
		})
	}
}

func TestTraceEndpointThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"localhost:4318", "collector", "ftp://localhost", "http://", "http://bad host:4318", "://"} {
		tracer, _, err := observe.OpenTracer(t.Context(), endpoint, "test")
		if scout.CodeOf(err) != scout.CodeConfigInvalid || tracer != nil {
			t.Errorf("%q: %v, want the code %s", endpoint, err, scout.CodeConfigInvalid)
		}
	}
}

func TestTraceReceiverThatRefuses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "who are you", http.StatusUnauthorized)
	}))
	defer server.Close()
	var lines bytes.Buffer
	log := observe.NewLogger(&lines, observe.LogJSON, slog.LevelInfo)
	tracer, shutdown, err := observe.OpenTracer(t.Context(), server.URL, "test", observe.ReportExportsTo(observe.NewScope(log, nil, nil)))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	_, span := tracer.Start(t.Context(), "decode")
	span.End()
	if err := shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v, want the refusal in the log alone", err)
	}
	if err := checkLogLine(lines.Bytes()); err != nil || !strings.Contains(lines.String(), `"msg":"trace_export_failed","spans":1,`) {
		t.Errorf("logged %q: %v", lines.String(), err)
	}
}

func TestTraceShutdownKeepsItsTime(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	tracer, shutdown, err := observe.OpenTracer(t.Context(), server.URL, "test")
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	_, span := tracer.Start(t.Context(), "decode")
	span.End()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown: %v, want its context's end", err)
	}
}

func TestEndSpan(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err        error
		wantStatus codes.Code
		wantCode   string
	}{
		"success":             {nil, codes.Unset, ""},
		"failure":             {scout.Errorf(scout.CodeEngineCrashed, "ended"), codes.Error, "engine_crashed"},
		"a failure uncoded":   {errors.New("odd"), codes.Error, "internal"},
		"cancelled: no error": {context.Canceled, codes.Unset, "cancelled"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorder := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
			_, span := provider.Tracer("test").Start(t.Context(), "decode")
			observe.EndSpan(span, test.err)
			ended := recorder.Ended()
			if len(ended) != 1 {
				t.Fatalf("%d spans ended", len(ended))
			}
			attributes := attribute.NewSet(ended[0].Attributes()...)
			code, _ := attributes.Value("scout.code")
			if ended[0].Status().Code != test.wantStatus || code.AsString() != test.wantCode {
				t.Errorf("status %v, code %q", ended[0].Status(), code.AsString())
			}
		})
	}
}
