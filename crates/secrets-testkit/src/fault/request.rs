use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::recorder::RecordedRequest;

/// More than any client of ours sends: a runaway client must not fill the memory of a test run.
const MAX_HEAD: usize = 256 * 1024;
const MAX_BODY: usize = 64 * 1024 * 1024;

/// A request and what its sender wants to become of the connection.
pub(super) struct Parsed {
    pub(super) request: RecordedRequest,
    pub(super) keep_alive: bool,
}

/// Reads one request; `None` when the client closed instead of sending one.
pub(super) async fn read<S>(stream: &mut S, connection: u64) -> io::Result<Option<Parsed>>
where
    S: AsyncBufRead + AsyncWrite + Unpin,
{
    let mut budget = MAX_HEAD;
    let start = match line(stream, &mut budget).await? {
        Some(start) if !start.is_empty() => start,
        _ => return Ok(None),
    };
    let mut words = start.split(' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return Err(malformed("the request line has not three words"));
    };

    let mut headers = Vec::new();
    loop {
        let Some(text) = line(stream, &mut budget).await? else {
            return Err(malformed("the head ends before its empty line"));
        };
        if text.is_empty() {
            break;
        }
        let Some((name, value)) = text.split_once(':') else {
            return Err(malformed("a header has no colon"));
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }

    let mut request = RecordedRequest {
        index: 0,
        connection,
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: Vec::new(),
    };
    if has_token(&request, "expect", "100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        stream.flush().await?;
    }
    request.body = if has_token(&request, "transfer-encoding", "chunked") {
        chunked(stream).await?
    } else {
        sized(stream, &request).await?
    };
    let keep_alive = if version == "HTTP/1.0" {
        has_token(&request, "connection", "keep-alive")
    } else {
        !has_token(&request, "connection", "close")
    };
    Ok(Some(Parsed {
        request,
        keep_alive,
    }))
}

/// One line without its end; `None` at the end of the stream.
async fn line<S: AsyncBufRead + Unpin>(
    stream: &mut S,
    budget: &mut usize,
) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let limit = *budget as u64;
    let read = (&mut *stream)
        .take(limit)
        .read_until(b'\n', &mut bytes)
        .await?;
    if read == 0 {
        return if limit == 0 {
            Err(malformed("the head is too long"))
        } else {
            Ok(None)
        };
    }
    *budget -= read;
    if bytes.pop() != Some(b'\n') {
        return Err(malformed("the head ends in the middle of a line"));
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    // Header values may hold any byte: one character a byte keeps them apart without losing one.
    Ok(Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => error.as_bytes().iter().copied().map(char::from).collect(),
    }))
}

async fn sized<S: AsyncBufRead + Unpin>(
    stream: &mut S,
    request: &RecordedRequest,
) -> io::Result<Vec<u8>> {
    let length = match request.header("content-length") {
        None => 0,
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| malformed("the content length is not a number"))?,
    };
    if length > MAX_BODY {
        return Err(malformed("the body is too long"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

async fn chunked<S: AsyncBufRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut budget = MAX_BODY;
    loop {
        let size = line(stream, &mut budget)
            .await?
            .ok_or_else(|| malformed("the body ends before its last chunk"))?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16)
            .map_err(|_| malformed("the size of a chunk is not a number"))?;
        if size == 0 {
            while line(stream, &mut budget)
                .await?
                .is_some_and(|trailer| !trailer.is_empty())
            {}
            return Ok(body);
        }
        if size > MAX_BODY - body.len() {
            return Err(malformed("the body is too long"));
        }
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..]).await?;
        line(stream, &mut budget).await?;
    }
}

fn has_token(request: &RecordedRequest, name: &str, token: &str) -> bool {
    request
        .headers
        .iter()
        .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
        .flat_map(|(_, value)| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

fn malformed(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
