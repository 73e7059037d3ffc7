package metric

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Desc describes a family of metrics. Two families of one name have equal descriptions.
type Desc struct {
	Name   string   `json:"name"`
	Help   string   `json:"help"`
	Kind   Kind     `json:"kind"`
	Labels []string `json:"labels,omitempty"`
	// Bounds are the upper bounds of a histogram's buckets, without infinity.
	Bounds []float64 `json:"bounds,omitempty"`
}

func (d Desc) equal(e Desc) bool {
	return d.Name == e.Name && d.Help == e.Help && d.Kind == e.Kind && slices.Equal(d.Labels, e.Labels) && slices.Equal(d.Bounds, e.Bounds)
}

// Family is a family of metrics as it was read. The JSON form travels from the recorder to the programs that ask it.
type Family struct {
	Desc
	Samples []Sample `json:"samples,omitempty"`
}

// Sample is one metric of a family as it was read.
type Sample struct {
	// Labels are the values of the family's labels, in their order.
	Labels []string `json:"labels,omitempty"`
	// Value is that of a counter or gauge.
	Value Number `json:"value,omitempty"`
	// Count, Sum and Buckets are those of a histogram: how many observations, their sum, and how many were not above
	// each bound.
	Count   uint64   `json:"count,omitempty"`
	Sum     Number   `json:"sum,omitempty"`
	Buckets []uint64 `json:"buckets,omitempty"`
}

// Number is a float64 whose JSON form also has a text for what is not finite: "NaN", "+Inf", "-Inf".
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	text := strconv.FormatFloat(float64(n), 'g', -1, 64)
	if math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) {
		return json.Marshal(text)
	}
	return []byte(text), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *Number) UnmarshalJSON(data []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(data), `"`), 64)
	if err != nil {
		return fmt.Errorf("number of a metric: %w", err)
	}
	*n = Number(v)
	return nil
}

// Collector has families of metrics.
type Collector interface {
	// Describe returns what the collector has; always the same.
	Describe() []Desc
	// Collect reads it.
	Collect() []Family
}

// Registerer takes collectors. A Registry is one.
type Registerer interface {
	// Register adds a collector and returns it, or the one that is registered already and has the same families, so
	// that two instances of a component share their metrics. The error says what contradicts; nothing is added then.
	Register(c Collector) (Collector, error)
}

// Registry lists the metrics of a process. The zero value is not ready; use NewRegistry.
type Registry struct {
	mu         sync.Mutex
	families   map[string]registered
	collectors []Collector
}

type registered struct {
	desc  Desc
	owner Collector
}

// NewRegistry returns a registry without metrics.
func NewRegistry() *Registry { return &Registry{families: make(map[string]registered)} }

// Register implements Registerer.
func (r *Registry) Register(c Collector) (Collector, error) {
	described := c.Describe()
	r.mu.Lock()
	defer r.mu.Unlock()
	var owner Collector
	known := 0
	for _, d := range described {
		if err := valid(d); err != nil {
			return nil, err
		}
		if there, exists := r.families[d.Name]; exists {
			if !there.desc.equal(d) || owner != nil && owner != there.owner {
				return nil, fmt.Errorf("metric %s is registered with another meaning", d.Name)
			}
			owner = there.owner
			known++
		}
	}
	if known > 0 {
		if known != len(described) {
			return nil, fmt.Errorf("metric %s is registered with other metrics", described[0].Name)
		}
		return owner, nil
	}
	for _, d := range described {
		r.families[d.Name] = registered{desc: d, owner: c}
	}
	r.collectors = append(r.collectors, c)
	return c, nil
}

// Families reads all metrics, sorted by name. Families without a metric are left out.
func (r *Registry) Families() []Family {
	r.mu.Lock()
	collectors := slices.Clone(r.collectors)
	r.mu.Unlock()
	var all []Family
	for _, c := range collectors { // without the lock: a collector may take its time and locks of its own
		for _, f := range c.Collect() {
			if len(f.Samples) > 0 {
				all = append(all, f)
			}
		}
	}
	slices.SortFunc(all, func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// valid checks names as Prometheus does: https://prometheus.io/docs/concepts/data_model.
func valid(d Desc) error {
	if !isName(d.Name) {
		return fmt.Errorf("%q is not a name of a metric", d.Name)
	}
	for i, label := range d.Labels {
		if !isName(label) || strings.HasPrefix(label, "__") || label == "le" && d.Kind == KindHistogram || slices.Contains(d.Labels[:i], label) {
			return fmt.Errorf("metric %s: %q is not a name of a label", d.Name, label)
		}
	}
	for i, bound := range d.Bounds {
		if math.IsNaN(bound) || math.IsInf(bound, 0) || i > 0 && bound <= d.Bounds[i-1] {
			return fmt.Errorf("metric %s: the bounds of its buckets do not grow", d.Name)
		}
	}
	return nil
}

func isName(name string) bool {
	for i, c := range name {
		switch {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case '0' <= c && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return name != ""
}
