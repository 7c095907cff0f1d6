// Parses the expressions of a Grafana dashboard with Prometheus' own parser: go run . DASHBOARD
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// What Grafana puts in before it asks.
var grafana = strings.NewReplacer("$__rate_interval", "5m", "$cluster", ".*", "$namespace", ".*", "$schedule", ".*")

type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
}

func main() {
	var failures []error
	text, err := os.ReadFile(os.Args[1])
	var board dashboard
	if err == nil {
		err = json.Unmarshal(text, &board)
	}
	if err != nil {
		failures = append(failures, err)
	}
	expressions := 0
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			expressions++
			if _, err := parser.ParseExpr(grafana.Replace(target.Expr)); err != nil {
				failures = append(failures, fmt.Errorf("%s: panel %q: %w", os.Args[1], panel.Title, err))
			}
		}
	}
	if expressions == 0 {
		failures = append(failures, fmt.Errorf("%s holds no expressions", os.Args[1]))
	}
	for _, failure := range failures {
		fmt.Fprintln(os.Stderr, failure)
	}
	if len(failures) > 0 {
		os.Exit(1)
	}
}
