"""Charts that are well-formed, say what they show, and put points where they belong."""

import xml.etree.ElementTree as ET

import pytest

from streamer.bench.svg import Axis, Series, chart

NAMESPACE = "{http://www.w3.org/2000/svg}"


def drawn(*series, log=False):
    return ET.fromstring(chart("Lag <&> load", Axis("clients", log), Axis("ms"), series))


def circles(root):
    return [(float(circle.get("cx")), float(circle.get("cy"))) for circle in root.iter(NAMESPACE + "circle")]


def texts(root):
    return [text.text for text in root.iter(NAMESPACE + "text")]


def test_names_marks_and_points_are_there():
    root = drawn(Series("p95", [(0, 0), (10, 50), (20, 100)]))

    assert {"Lag <&> load", "clients", "ms", "p95", "0", "20", "100"} <= set(texts(root))
    assert circles(root) == [(70.0, 348.0), (385.0, 206.0), (700.0, 64.0)]


def test_decades_are_even_steps_on_a_logarithmic_axis():
    root = drawn(Series("p95", [(10, 1), (100, 1), (1000, 1)]), log=True)

    assert [x for x, _ in circles(root)] == [70.0, 385.0, 700.0]
    assert {"10", "100", "1000"} <= set(texts(root))


def test_a_bound_is_a_dashed_line_across_without_points():
    root = drawn(Series("p95", [(1, 100), (2, 200)]), Series("bound", [(0, 300)], bound=True))
    dashed = [line for line in root.iter(NAMESPACE + "polyline") if line.get("stroke-dasharray")]

    assert [line.get("points") for line in dashed] == ["70.0,64.0 700.0,64.0"]
    assert len(circles(root)) == 2


@pytest.mark.parametrize("value", [0.0, 3.0, 1e-6])
def test_a_single_point_is_a_chart(value):
    assert len(circles(drawn(Series("p95", [(5, value)])))) == 1


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match="nothing to draw"):
        drawn(Series("p95", []))
