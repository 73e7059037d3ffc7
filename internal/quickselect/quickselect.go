// Package quickselect finds one value of those that sorting would put in order. Source: C. A. R. Hoare, "Algorithm 65: Find",
// Communications of the ACM 4 (1961).
package quickselect

// Nth returns the value that would be x[k] if x was sorted, 0 <= k < len(x). It changes the order in x: no value before x[k] is larger.
// Live text asks for it many times a second.
//
//go:norace
func Nth[T float32 | float64](x []T, k int) T {
	for low, high := 0, len(x)-1; low < high; {
		pivot := x[low+(high-low)/2]
		i, j := low, high
		for i <= j {
			for x[i] < pivot {
				i++
			}
			for x[j] > pivot {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i, j = i+1, j-1
			}
		}
		if k > j && k < i {
			break
		}
		if k <= j {
			high = j
		} else {
			low = i
		}
	}
	return x[k]
}
