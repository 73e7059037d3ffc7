package native

import (
	"errors"
	"fmt"

	ort "github.com/yalue/onnxruntime_go"
)

// Tensors are native handles to free together. The memory behind them is Go's.
type Tensors []ort.Value

// Free frees all of them.
func (t *Tensors) Free() error {
	var errs []error
	for _, v := range *t {
		errs = append(errs, v.Destroy())
	}
	return errors.Join(errs...)
}

// Own returns a tensor over data and adds it to owned.
func Own[T ort.TensorData](owned *Tensors, data []T, shape ...int64) (ort.Value, error) {
	t, err := ort.NewTensor(ort.Shape(shape), data)
	if err != nil {
		return nil, fmt.Errorf("make tensor: %w", err)
	}
	*owned = append(*owned, t)
	return t, nil
}

// Grown returns a slice of n elements over *buffer, which is replaced by a longer one if it is too short. Lengths are
// rounded up so that requests of similar length share a buffer.
func Grown[T any](buffer *[]T, n int) []T {
	const step = 4096
	if cap(*buffer) < n {
		*buffer = make([]T, (n+step-1)/step*step)
	}
	return (*buffer)[:n]
}
