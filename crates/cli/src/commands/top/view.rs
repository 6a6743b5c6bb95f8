//! How it looks.

use cantus_api::agent::State as AgentState;
use cantus_api::subscription::State;
use ratatui::Frame;
use ratatui::backend::TestBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Sparkline, Table, Tabs};

use super::board::{Board, Page, longest};
use super::snapshot::Snapshot;

const GOOD: Color = Color::Green;
const HELD: Color = Color::Yellow;
const BAD: Color = Color::Red;

/// Draws the board.
pub(super) fn draw(board: &Board, frame: &mut Frame<'_>) {
    let [head, chart, tabs, list, foot] = Layout::vertical([
        Constraint::Length(4),
        Constraint::Length(4),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header(board), head);
    let history: Vec<u64> = board.history.iter().copied().collect();
    let width = usize::from(chart.width.saturating_sub(2));
    let shown = &history[history.len().saturating_sub(width)..];
    let most = shown.iter().max().copied().unwrap_or(0);
    let title = format!(" events in, a second (at most {most}) ");
    let block = Block::new().borders(Borders::TOP).title(title);
    let bars = Sparkline::default().block(block).data(shown).style(color(board, Color::Blue));
    frame.render_widget(bars, chart);
    let titles = Page::ALL.iter().enumerate().map(|(place, page)| format!("{} {}", place + 1, page.title()));
    let here = Page::ALL.iter().position(|page| *page == board.page);
    let selected = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Tabs::new(titles).select(here).highlight_style(selected), tabs);
    match &board.last {
        Some(last) => frame.render_widget(table(board, last), list),
        None => frame.render_widget(Paragraph::new("waiting for the first look"), list),
    }
    frame.render_widget(footer(board), foot);
}

/// Returns the board as text, for what is no terminal.
pub(super) fn text(board: &Board, width: u16) -> String {
    let rows = board.last.as_ref().map_or(0, |last| last.subscriptions.len().min(200)) as u16;
    let area = Rect::new(0, 0, width.clamp(60, 200), 14 + rows);
    let Ok(mut terminal) = ratatui::Terminal::new(TestBackend::new(area.width, area.height));
    let Ok(_) = terminal.draw(|frame| draw(board, frame));
    let buffer = terminal.backend().buffer();
    let mut lines: Vec<String> = (0..area.height)
        .map(|y| {
            let line: String = (0..area.width).map(|x| buffer[(x, y)].symbol()).collect();
            line.trim_end().to_owned()
        })
        .collect();
    // The last line tells keys.
    lines.pop();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n")
}

fn color(board: &Board, color: Color) -> Style {
    if board.colors { Style::new().fg(color) } else { Style::new() }
}

fn header(board: &Board) -> Paragraph<'_> {
    let Some(last) = &board.last else { return Paragraph::new(board.url.clone()) };
    let (status, rates) = (&last.status, &board.rates);
    let ready = match (&board.error, last.ready.ok) {
        (Some(_), _) => Span::styled("AWAY", color(board, BAD)),
        (None, true) => Span::styled("ready", color(board, GOOD)),
        (None, false) => Span::styled("NOT READY", color(board, BAD)),
    };
    let online = last.agents.iter().filter(|agent| agent.state == AgentState::Online).count();
    let dead = match status.counts.dead_letters {
        0 => Span::raw("0"),
        count => Span::styled(count.to_string(), color(board, BAD)),
    };
    let memory = last
        .metrics
        .resident_bytes
        .map_or("–".to_owned(), |bytes| format!("{:.0} MiB", bytes / 1_048_576.0));
    let cpu = rates.cpu.map_or("–".to_owned(), |cpu| format!("{:.0} %", cpu * 100.0));
    Paragraph::new(vec![
        Line::from(vec![
            Span::styled("cantus top  ", Style::new().add_modifier(Modifier::BOLD)),
            Span::raw(format!("{}  {} {} on {}  ", board.url, status.version, status.mode, status.engine)),
            ready,
        ]),
        Line::from(format!(
            "in {:.0}/s   acked {:.0}/s   failed {:.1}/s   lag {:.1} s   processor {cpu}   memory {memory}",
            rates.published,
            rates.acked,
            rates.failed,
            longest(&last.metrics.lag_seconds)
        )),
        Line::from(vec![
            Span::raw(format!(
                "in flight {}   retrying {}   dead letters ",
                status.counts.in_flight, status.counts.retrying
            )),
            dead,
            Span::raw(format!(
                "   agents {online} of {} online   events {}",
                last.agents.len(),
                status.counts.events
            )),
        ]),
    ])
}

fn footer(board: &Board) -> Paragraph<'_> {
    if let Some(error) = &board.error {
        return Paragraph::new(Span::styled(error.clone(), color(board, BAD)));
    }
    let paused = if board.paused { "PAUSED   " } else { "" };
    Paragraph::new(format!("{paused}tab or 1-4 page   j k scroll   p pause   q quit"))
}

fn table<'a>(board: &'a Board, last: &'a Snapshot) -> Table<'a> {
    let (headings, widths, rows) = match board.page {
        Page::Subscriptions => subscriptions(board, last),
        Page::Topics => topics(board, last),
        Page::Agents => agents(board, last),
        Page::DeadLetters => dead_letters(board, last),
    };
    let heading = Row::new(headings).style(Style::new().add_modifier(Modifier::BOLD));
    Table::new(rows.into_iter().skip(board.scroll), widths).header(heading).column_spacing(2)
}

type Parts<'a> = (Vec<&'static str>, Vec<Constraint>, Vec<Row<'a>>);

fn widths(name: u16, numbers: usize) -> Vec<Constraint> {
    let mut widths = vec![Constraint::Min(name)];
    widths.extend(std::iter::repeat_n(Constraint::Length(9), numbers));
    widths
}

fn subscriptions<'a>(board: &'a Board, last: &'a Snapshot) -> Parts<'a> {
    let lag = |id: &str| last.metrics.lag_seconds.get(id).copied().unwrap_or(0.0);
    let mut all: Vec<_> = last.subscriptions.iter().collect();
    // Who needs somebody comes first.
    all.sort_by(|a, b| {
        let (one, other) = (lag(a.id.as_str()), lag(b.id.as_str()));
        (b.dead_letters > 0, b.lag_events)
            .cmp(&(a.dead_letters > 0, a.lag_events))
            .then(other.total_cmp(&one))
    });
    let rows = all.into_iter().map(|it| {
        let state = match it.state {
            State::Active => Cell::from("active"),
            State::Paused => Cell::from("paused").style(color(board, HELD)),
        };
        let dead = Cell::from(it.dead_letters.to_string());
        let dead = if it.dead_letters > 0 { dead.style(color(board, BAD)) } else { dead };
        Row::new(vec![
            Cell::from(it.id.as_str()),
            Cell::from(it.action.kind.as_str()),
            state,
            Cell::from(it.lag_events.to_string()),
            Cell::from(format!("{:.1} s", lag(it.id.as_str()))),
            Cell::from(it.in_flight.to_string()),
            Cell::from(it.retrying.to_string()),
            dead,
            Cell::from(format!("{:.0}/s", board.rates.acked_by.get(it.id.as_str()).copied().unwrap_or(0.0))),
        ])
    });
    let headings =
        vec!["SUBSCRIPTION", "ACTION", "STATE", "LAG", "OLDEST", "RUNNING", "RETRYING", "DEAD", "ACKED"];
    (headings, widths(20, 8), rows.collect())
}

fn topics<'a>(board: &'a Board, last: &'a Snapshot) -> Parts<'a> {
    let rate = |name: &str| board.rates.published_by.get(name).copied().unwrap_or(0.0);
    let mut all: Vec<_> = last.topics.iter().collect();
    all.sort_by(|a, b| rate(&b.name).total_cmp(&rate(&a.name)).then(b.events.cmp(&a.events)));
    let rows = all.into_iter().map(|it| {
        let heard = match it.subscriptions.len() {
            0 => Cell::from("nobody").style(color(board, HELD)),
            count => Cell::from(count.to_string()),
        };
        let bytes =
            it.bytes.map_or("–".to_owned(), |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0));
        Row::new(vec![
            Cell::from(it.name.as_str()),
            Cell::from(format!("{:.0}/s", rate(&it.name))),
            Cell::from(it.events.to_string()),
            Cell::from(bytes),
            heard,
        ])
    });
    (vec!["TOPIC", "IN", "EVENTS", "SIZE", "HEARD BY"], widths(20, 4), rows.collect())
}

fn agents<'a>(board: &'a Board, last: &'a Snapshot) -> Parts<'a> {
    let rows = last.agents.iter().map(|it| {
        let (word, tone) = match it.state {
            AgentState::Online => ("online", GOOD),
            AgentState::Silent => ("silent", HELD),
            AgentState::Slow => ("slow", HELD),
            AgentState::Dead => ("dead", BAD),
            AgentState::NeverSeen => ("not seen", Color::Gray),
        };
        let paused = if it.pause.is_some() { "paused" } else { "" };
        Row::new(vec![
            Cell::from(it.address.as_str()),
            Cell::from(it.transport.as_str()),
            Cell::from(word).style(color(board, tone)),
            Cell::from(it.processing.len().to_string()),
            Cell::from(it.published.to_string()),
            Cell::from(it.consumed.to_string()),
            Cell::from(paused).style(color(board, HELD)),
        ])
    });
    (vec!["AGENT", "BY", "STATE", "WORKS ON", "PUBLISHED", "CONSUMED", ""], widths(20, 6), rows.collect())
}

fn dead_letters<'a>(board: &'a Board, last: &'a Snapshot) -> Parts<'a> {
    let rows = last.groups.iter().map(|it| {
        Row::new(vec![
            Cell::from(it.fingerprint.as_str()),
            Cell::from(it.count.to_string()).style(color(board, BAD)),
            Cell::from(it.class.as_str()),
            Cell::from(it.message.lines().next().unwrap_or_default()),
        ])
    });
    let widths =
        vec![Constraint::Min(24), Constraint::Length(7), Constraint::Length(18), Constraint::Percentage(50)];
    (vec!["GROUP", "OPEN", "CLASS", "THE NEWEST SAYS"], widths, rows.collect())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use cantus_api::status::Health;
    use ratatui::crossterm::event::{KeyCode, KeyEvent};

    use super::super::board::Turn;
    use super::*;
    use crate::metrics::Metrics;

    fn snapshot(at: Instant, appended: u64) -> Snapshot {
        let json = |value| serde_json::from_value(value).unwrap();
        Snapshot {
            at,
            status: serde_json::from_value(serde_json::json!({
                "version": "0.1.0", "mode": "dev", "node": "0", "engine": "local", "started_at": "2026-01-01T00:00:00Z",
                "durable": "0:9", "counts": {"topics": 1, "events": appended, "agents": 0, "subscriptions": 1, "in_flight": 2,
                "retrying": 1, "dead_letters": 3}
            }))
            .unwrap(),
            ready: Health { ok: true, text: String::new() },
            topics: vec![json(serde_json::json!({"name": "tasks", "declared": true, "events": appended}))],
            subscriptions: vec![serde_json::from_value(serde_json::json!({
                "id": "worker/tasks", "agent": "/worker", "name": "tasks", "topics": ["tasks"],
                "action": {"kind": "exec"}, "state": "paused", "origin": "file", "lag_events": 17, "in_flight": 2,
                "retrying": 1, "waiting": 0, "dead_letters": 3, "retry": {}, "concurrency": 4, "order": "key"
            }))
            .unwrap()],
            agents: Vec::new(),
            groups: Vec::new(),
            metrics: Metrics { appended: appended as f64, ..Metrics::default() },
        }
    }

    fn board() -> Board {
        let mut board = Board::new("http://localhost:4777/");
        let before = Instant::now();
        board.take(Ok(snapshot(before, 100)));
        board.take(Ok(snapshot(before + Duration::from_secs(2), 300)));
        board
    }

    #[test]
    fn it_shows_rates_and_who_needs_somebody() {
        let text = text(&board(), 120);
        for piece in ["http://localhost:4777", "in 100/s", "dead letters 3", "worker/tasks", "paused", "17"] {
            assert!(text.contains(piece), "{piece}\n{text}");
        }
    }

    #[test]
    fn keys_turn_pages_pause_and_leave() {
        let mut board = board();
        let press = |board: &mut Board, key| board.key(KeyEvent::from(key));
        assert_eq!(press(&mut board, KeyCode::Char('2')), Turn::Stay);
        assert_eq!(board.page, Page::Topics);
        press(&mut board, KeyCode::BackTab);
        assert_eq!(board.page, Page::Subscriptions);
        press(&mut board, KeyCode::Char('p'));
        assert!(board.paused);
        press(&mut board, KeyCode::Down);
        assert_eq!(board.scroll, 0, "there is one row");
        assert_eq!(press(&mut board, KeyCode::Char('q')), Turn::Leave);
    }

    #[test]
    fn when_the_server_is_away_what_was_seen_stays_and_the_reason_is_shown() {
        let mut board = board();
        board.take(Err(anyhow::anyhow!("connection refused")));
        let text = text(&board, 100);
        assert!(text.contains("AWAY") && text.contains("worker/tasks"), "{text}");
        assert_eq!(board.error.as_deref(), Some("connection refused"));
    }

    #[test]
    fn any_size_of_terminal_can_be_drawn() {
        for (width, height) in [(1, 1), (10, 3), (40, 12), (300, 100)] {
            let mut terminal = ratatui::Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| draw(&board(), frame)).unwrap();
        }
    }
}
