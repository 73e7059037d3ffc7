package prepare

import (
	"fmt"
	"math"

	"github.com/scout-speech/scout/internal/model/onnx"
	"github.com/scout-speech/scout/internal/model/onnx/build"
)

// value is a tensor in the graph under construction.
type value = build.Value

// graph is a Moonshine graph under construction.
type graph struct{ *build.Graph }

func newGraph(name string) *graph { return &graph{build.New(name, nil)} }

// model returns the finished file.
func (g *graph) model() *onnx.Model { return g.Model(fmt.Sprintf("scout recipe %d", Recipe)) }

// rotaryTables returns the cosines and sines of the rotary embedding for positions 0..n-1, shape [n,
// rotated/2], from the published inverse frequencies. Source: Su et al., "RoFormer", 2021 (arXiv:2104.09864).
func (g *graph) rotaryTables(inverse []float32, n int) (cos, sin value) {
	c := make([]float32, 0, n*len(inverse))
	s := make([]float32, 0, n*len(inverse))
	for p := range n {
		for _, f := range inverse {
			angle := float64(float32(p) * f) // the published graph multiplies in single precision
			c = append(c, float32(math.Cos(angle)))
			s = append(s, float32(math.Sin(angle)))
		}
	}
	half := int64(len(inverse))
	return g.Floats("rotary.cos", c, int64(n), half), g.Floats("rotary.sin", s, int64(n), half)
}
