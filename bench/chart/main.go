// Command chart draws the table of `make bench` as an SVG: chart BENCH.JSON CHART.SVG. A point for each row that has an
// aim and an opponent, by how many times as good gosocket is; a hollow triangle where it shall be.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// table is what of the file is drawn.
type table struct {
	OTP        string `json:"otp"`
	Linux      string `json:"linux"`
	Processors int    `json:"processors"`
	Taken      string `json:"taken"`
	Rows       []row  `json:"rows"`
}

type row struct {
	Work     string   `json:"work"`
	Opponent string   `json:"opponent"`
	Better   string   `json:"better"`
	Rounds   int      `json:"rounds"`
	Ratio    *float64 `json:"ratio"`
	Least    float64  `json:"least"`
	Greatest float64  `json:"greatest"`
	Aim      *struct {
		Limit float64 `json:"limit"`
	} `json:"aim"`
	Met *bool `json:"met"`
}

// What stands apart from the next row, and what the axis and the heading take.
const (
	rowHeight  = 15
	restHeight = 110
	width      = 760
)

var (
	green  = color.NRGBA{R: 0x1a, G: 0x7f, B: 0x37, A: 0xff}
	orange = color.NRGBA{R: 0xbc, G: 0x4c, B: 0x00, A: 0xff}
	gray   = color.NRGBA{R: 0x8c, G: 0x95, B: 0x9f, A: 0xff}
	light  = color.NRGBA{R: 0xe4, G: 0xe7, B: 0xea, A: 0xff}
)

func main() {
	if len(os.Args) != 3 {
		fail(errors.New("usage: chart BENCH.JSON CHART.SVG"))
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "chart:", err)
	os.Exit(1)
}

func run(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var t table
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	rows := drawn(t.Rows)
	if len(rows) == 0 {
		return errors.New("no row has an aim and an opponent")
	}
	p, err := chart(t, rows)
	if err != nil {
		return err
	}
	return write(p, vg.Points(float64(len(rows)*rowHeight+restHeight)), to)
}

// write draws in the format that the name of the file asks for. An SVG leaves the letters to who shows it, and names one font
// only: others have the same widths.
func write(p *plot.Plot, height vg.Length, to string) error {
	format := strings.TrimPrefix(filepath.Ext(to), ".")
	drawing, err := p.WriterTo(vg.Points(width), height, format)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if _, err := drawing.WriteTo(&out); err != nil {
		return err
	}
	const named = "font-family:Liberation Sans"
	image := bytes.ReplaceAll(out.Bytes(), []byte(named), []byte(named+",Arial,Helvetica,sans-serif"))
	return os.WriteFile(to, image, 0o644)
}

// drawn is the rows that can be drawn, the last one first: the axis goes up.
func drawn(rows []row) []row {
	var kept []row
	for i := len(rows) - 1; i >= 0; i-- {
		if r := rows[i]; r.Ratio != nil && r.Aim != nil && r.Met != nil && *r.Ratio > 0 && r.Least > 0 {
			kept = append(kept, r)
		}
	}
	return kept
}

// good is a ratio by how many times as good gosocket is: more calls, or less time, CPU, growth.
func (r row) good(ratio float64) float64 {
	if r.Better == "less" {
		return 1 / ratio
	}
	return ratio
}

func chart(t table, rows []row) (*plot.Plot, error) {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	p := plot.New()
	p.Title.Text = fmt.Sprintf("gosocket beside others: median, least and greatest of %d rounds\nOTP %s, Linux %s, %d processors, %s",
		rows[0].Rounds, t.OTP, t.Linux, t.Processors, t.Taken)
	p.Title.TextStyle.Font.Size = 11
	p.Title.Padding = vg.Points(8)
	p.X.Label.Text = "times as good as the opponent: more work, or less time or CPU"
	p.X.Label.TextStyle.Font.Size = 9
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = powersOfTwo{}
	p.Y.Tick.Marker = names(rows)
	p.Y.Tick.Width = 0
	p.Y.Tick.Label.Font.Size = 9
	p.Y.Width = 0

	points, aims, spread := make(plotter.XYs, len(rows)), make(plotter.XYs, len(rows)), make(plotter.XErrors, len(rows))
	for i, r := range rows {
		points[i] = plotter.XY{X: r.good(*r.Ratio), Y: float64(i)}
		aims[i] = plotter.XY{X: r.good(r.Aim.Limit), Y: float64(i)}
		least, greatest := r.good(r.Least), r.good(r.Greatest)
		spread[i].Low, spread[i].High = points[i].X-min(least, greatest), max(least, greatest)-points[i].X
	}
	bars, err := plotter.NewXErrorBars(struct {
		plotter.XYs
		plotter.XErrors
	}{points, spread})
	if err != nil {
		return nil, err
	}
	bars.Color, bars.CapWidth = gray, 3
	measured, err := plotter.NewScatter(points)
	if err != nil {
		return nil, err
	}
	measured.GlyphStyleFunc = func(i int) draw.GlyphStyle { return glyph(*rows[i].Met) }
	aim, err := plotter.NewScatter(aims)
	if err != nil {
		return nil, err
	}
	aim.GlyphStyle = draw.GlyphStyle{Color: color.Black, Radius: 3.5, Shape: draw.TriangleGlyph{}}
	same, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -1}, {X: 1, Y: float64(len(rows))}})
	if err != nil {
		return nil, err
	}
	same.Color, same.Width = gray, 1

	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = light, light
	p.Add(grid, same, bars, aim, measured)
	p.Legend.Add("aim met", sample(true))
	p.Legend.Add("not met", sample(false))
	p.Legend.Add("aim", aim)
	p.Legend.Top = true
	p.Legend.TextStyle.Font.Size = 9
	p.Y.Min, p.Y.Max = -0.7, float64(len(rows))-0.3
	return p, nil
}

func glyph(met bool) draw.GlyphStyle {
	style := draw.GlyphStyle{Color: orange, Radius: 3.5, Shape: draw.CircleGlyph{}}
	if met {
		style.Color = green
	}
	return style
}

// sample is a point for the legend.
func sample(met bool) *plotter.Scatter {
	return &plotter.Scatter{GlyphStyle: glyph(met)}
}

func names(rows []row) plot.ConstantTicks {
	marks := make(plot.ConstantTicks, len(rows))
	for i, r := range rows {
		marks[i] = plot.Tick{Value: float64(i), Label: r.Work + " / " + r.Opponent}
	}
	return marks
}

// powersOfTwo marks those on the axis.
type powersOfTwo struct{}

// Ticks implements [plot.Ticker].
func (powersOfTwo) Ticks(least, greatest float64) []plot.Tick {
	var marks []plot.Tick
	for power := math.Ceil(math.Log2(least)); power <= math.Log2(greatest); power++ {
		label := fmt.Sprint(math.Exp2(power))
		if power < 0 {
			label = fmt.Sprintf("1/%v", math.Exp2(-power))
		}
		marks = append(marks, plot.Tick{Value: math.Exp2(power), Label: label})
	}
	return marks
}
