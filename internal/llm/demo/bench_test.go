package demo_test

import (
	"testing"

	"github.com/layercake-app/layercake/internal/llm/demo"
)

// BenchmarkProject carries one project through all gates; ns/turn is what one
// answer costs.
func BenchmarkProject(b *testing.B) {
	m, err := demo.New(demo.Options{})
	if err != nil {
		b.Fatal(err)
	}
	turns := 0
	for b.Loop() {
		bench := newBench(b)
		bench.build(m, brief{idea: ideas[0]})
		turns += len(bench.outputs)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(turns), "ns/turn")
}
