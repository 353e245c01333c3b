// The live page: signs in with the one-time secret in the address, then follows /api/v1/live. Every text is put in as
// text, never as markup; nothing is loaded from elsewhere.
const words = {
  zh: {
    throughput: "接收速率", perSecond: "条/秒", fiveMinutesAgo: "5 分钟前", now: "现在", acknowledgement: "应答延迟",
    p50: "中位数（近 10 秒）", p99: "P99", lag: "投影滞后", backlog: "处理中", disk: "磁盘可用天数", holdings: "日志",
    recordsText: "条记录已持久保存", connections: "个连接", feeds: "机构接入", facility: "机构", lastMessage: "最近消息", rate: "条/分",
    total: "累计记录", rejected: "拒收", reasons: "主要原因", unmapped: "未映射项目", condition: "状态", dependencies: "运行依赖",
    zone: "时间均为北京时间 (UTC+8)", leave: "退出", live: "实时", waiting: "正在连接…", reconnecting: "连接中断，正在重连…",
    notReady: "未就绪", signInTitle: "登录控制台", signInText: "请打开代理程序启动时打印的一次性地址，或在服务器上取得新地址：",
    signInUsed: "该一次性登录已使用、已过期或无效。", signInFailed: "暂时无法登录，请稍后重试。", never: "尚未收到", justNow: "刚刚", silent: "静默", normal: "正常",
    none: "未接入", provisional: "未登记", more: (d, r, t, b) => `重复 ${d} · 拒收 ${r} · 请重发 ${t} · ${b}/秒`,
    records: (n) => `积压 ${n} 条`, free: (f, t) => `可用 ${f}，共 ${t}`, days: (n) => `${n} 天`, unknown: "尚未知",
    silence: (s, u) => `已静默 ${s}${u ? `，通常每 ${u} 一条` : ""}`, ago: (s) => `${s}前`, top: (n) => `峰值 ${n}`,
    counts: (n, s) => (s ? `${n} 家机构，${s} 家静默` : `${n} 家机构`), uptime: (s) => `已运行 ${s}`, spark: (n) => `最近 5 分钟每秒接收量，当前 ${n}`,
    unknownSenders: "正在接受未登记的发送方（仅限演示）。", plain: "存在未加密的非本机监听，请启用 TLS。", diskSoon: (n) => `磁盘按当前速度约 ${n} 天后写满。`,
    ready: "正常", names: { log: "日志", store: "视图存储", disk: "磁盘", audit: "审计链" }, units: ["秒", "分", "小时", "天"],
  },
  en: {
    throughput: "Messages in", perSecond: "per second", fiveMinutesAgo: "5 minutes ago", now: "now", acknowledgement: "Acknowledged in",
    p50: "median, last 10 s", p99: "p99", lag: "View lag", backlog: "in flight", disk: "Disk lasts", holdings: "Log",
    recordsText: "records, all durable", connections: "connections", feeds: "Feeds", facility: "Facility", lastMessage: "Last message",
    rate: "Per minute", total: "Records", rejected: "Rejected", reasons: "Top reasons", unmapped: "Unmapped", condition: "State",
    dependencies: "Dependencies", zone: "Times in Asia/Shanghai (UTC+8)", leave: "Sign out", live: "Live", waiting: "Connecting…",
    reconnecting: "Connection lost, reconnecting…", notReady: "Not ready", signInTitle: "Sign in",
    signInText: "Open the one-time address that the broker printed when it started, or ask for a new one on its machine:",
    signInUsed: "This one-time sign-in was used, has expired or is not valid.", signInFailed: "Cannot sign in right now. Try again shortly.",
    never: "nothing yet", justNow: "just now", silent: "silent", normal: "normal", none: "not connected", provisional: "unregistered",
    more: (d, r, t, b) => `${d} duplicate · ${r} rejected · ${t} try again · ${b}/s`, records: (n) => `${n} records behind`,
    free: (f, t) => `${f} free of ${t}`, days: (n) => `${n} days`, unknown: "not known yet",
    silence: (s, u) => `quiet for ${s}${u ? `, usually every ${u}` : ""}`, ago: (s) => `${s} ago`, top: (n) => `peak ${n}`,
    counts: (n, s) => (s ? `${n} facilities, ${s} silent` : `${n} facilities`), uptime: (s) => `up ${s}`,
    spark: (n) => `Messages per second over five minutes, now ${n}`, unknownSenders: "Unregistered senders are accepted (demonstration only).",
    plain: "A listener beyond this machine is not encrypted: enable TLS.", diskSoon: (n) => `At this rate the disk is full in about ${n} days.`,
    ready: "ready", names: { log: "log", store: "view store", disk: "disk", audit: "audit chain" }, units: ["s", "min", "h", "d"],
  },
};
const at = (id) => document.getElementById(id);
const stored = () => { try { return localStorage.getItem("hutong-language"); } catch { return null; } };
let language = stored() === "en" || stored() === "zh" ? stored() : (navigator.language || "zh").toLowerCase().startsWith("zh") ? "zh" : "en";
let t = words[language], latest = null, history = [], source = null, fault = "", heard = 0;

const locale = () => (language === "zh" ? "zh-CN" : "en-GB");
const number = (value, digits = 0) => new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value || 0);
const rate = (value) => number(value, value > 0 && value < 10 ? 1 : 0);
const exact = (ms) => new Intl.DateTimeFormat(locale(), { timeZone: "Asia/Shanghai", dateStyle: "medium", timeStyle: "medium" }).format(ms);
function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  while (value >= 1024 && step < 4) { value /= 1024; step += 1; }
  return `${number(value, value < 10 && step ? 1 : 0)} ${units[step]}`;
}
function span(seconds) {
  const gap = language === "zh" ? "" : " ";
  const [value, unit] = seconds < 60 ? [seconds, 0] : seconds < 3600 ? [seconds / 60, 1] : seconds < 172800 ? [seconds / 3600, 2] : [seconds / 86400, 3];
  return `${number(value, value < 10 && (unit > 0 || value < 1) ? 1 : 0)}${gap}${t.units[unit]}`;
}
const latency = (seconds) => (!seconds ? "–" : seconds < 0.001 ? `${number(seconds * 1e6)} µs` : seconds < 1 ? `${number(seconds * 1e3, seconds < 0.01 ? 2 : 0)} ms` : `${number(seconds, 2)} s`);
function put(id, text) { const node = at(id); if (node.textContent !== text) node.textContent = text; }
function made(tag, className, text) { const node = document.createElement(tag); if (className) node.className = className; if (text !== undefined) node.textContent = text; return node; }

function translate() {
  t = words[language];
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t[node.dataset.t];
  for (const id of ["zh", "en"]) at(id).setAttribute("aria-pressed", String(id === language));
  put("leave", t.leave); put("door-title", t.signInTitle); put("door-text", t.signInText); put("door-fault", fault ? t[fault] : "");
}
function show(signedIn) { at("board").hidden = !signedIn; at("door").hidden = signedIn; at("leave").hidden = !signedIn; }
function state(kind, text) { at("lamp").className = `lamp ${kind}`; put("state", text); at("board").classList.toggle("stale", kind === "warn" && text === t.reconnecting); }

function sparkline() {
  const values = history.slice(-300), top = Math.max(10, ...values) * 1.08, step = 600 / 299, left = 600 - (values.length - 1) * step;
  if (values.length < 2) return;
  const points = values.map((value, i) => `${(left + i * step).toFixed(1)},${(106 - (value / top) * 100).toFixed(1)}`);
  at("spark-line").setAttribute("d", `M${points.join("L")}`);
  at("spark-area").setAttribute("d", `M${left.toFixed(1)},110L${points.join("L")}L600,110Z`);
  put("spark-top", t.top(number(Math.max(...values))));
  put("spark-label", t.spark(rate(values[values.length - 1])));
}

function condition(feed) {
  if (!feed.last) return ["idle", t.none, ""];
  const usual = feed.usualSeconds >= 0 ? span(feed.usualSeconds) : "";
  return feed.silent ? ["bad", t.silent, t.silence(span(feed.silenceSeconds), usual)] : ["", t.normal, ""];
}

function row(feed) {
  const line = made("tr"), who = made("td"), name = (language === "zh" ? feed.nameZh || feed.nameEn : feed.nameEn || feed.nameZh) || feed.facility;
  who.append(made("strong", "", name));
  if (name !== feed.facility) who.append(made("span", "quiet", feed.facility));
  const last = made("td");
  if (feed.last) {
    const time = made("time", "quiet", exact(feed.last));
    time.dateTime = new Date(feed.last).toISOString();
    const passed = Math.round((latest.at - feed.last) / 1000);
    last.append(made("span", "", passed < 2 ? t.justNow : t.ago(span(passed))), time);
  } else last.append(made("span", "quiet", t.never));
  const reasons = made("td");
  for (const reject of feed.rejects) reasons.append(made("span", "reason", `${reject.reason} ${number(reject.count)}`));
  const [kind, word, detail] = condition(feed), how = made("td");
  how.append(made("span", `chip ${kind}`, word));
  if (!feed.registered && feed.last) how.append(" ", made("span", "chip warn", t.provisional));
  if (detail) how.append(made("span", "quiet", detail));
  line.append(who, last, made("td", "n", number(feed.perMinute, feed.perMinute < 10 ? 1 : 0)), made("td", "n", number(feed.total)),
    made("td", feed.rejected ? "n bad-text" : "n", number(feed.rejected)), reasons, made("td", "n", number(feed.unmapped)), how);
  return line;
}

function draw() {
  if (!latest) return;
  const { throughput, acknowledgement, disk } = latest;
  put("version", latest.version);
  put("accepted", rate(throughput.accepted));
  put("throughput-more", t.more(rate(throughput.duplicate), rate(throughput.rejected), rate(throughput.tryAgain), bytes(throughput.bytes)));
  put("p50", latency(acknowledgement.p50)); put("p99", latency(acknowledgement.p99));
  put("lag", latest.lagSeconds < 0.0005 ? `0${language === "zh" ? "" : " "}${t.units[0]}` : latest.lagSeconds < 1 ? latency(latest.lagSeconds) : span(latest.lagSeconds));
  put("lag-records", t.records(number(latest.lagRecords)));
  put("inflight", bytes(latest.inflightBytes));
  put("days", disk.daysLeft < 0 ? t.unknown : t.days(disk.daysLeft > 3650 ? ">3650" : number(disk.daysLeft, disk.daysLeft < 10 ? 1 : 0)));
  put("disk-free", t.free(bytes(disk.freeBytes), bytes(disk.totalBytes)));
  const used = disk.totalBytes ? 1 - disk.freeBytes / disk.totalBytes : 0;
  at("meter-fill").style.width = `${Math.round(used * 100)}%`;
  at("meter").className = `meter ${used > 0.95 ? "bad" : used > 0.85 ? "warn" : ""}`;
  at("meter").setAttribute("aria-label", `${Math.round(used * 100)} %`);
  put("records", number(latest.records)); put("connections", number(latest.connections));
  sparkline();
  const order = (feed) => (feed.silent ? 0 : feed.last ? 1 : 2);
  const feeds = [...latest.feeds].sort((a, b) => order(a) - order(b) || b.perMinute - a.perMinute || (a.facility < b.facility ? -1 : 1));
  at("feeds").replaceChildren(...feeds.map(row));
  put("feeds-count", t.counts(number(latest.feedCount), latest.feeds.filter((feed) => feed.silent).length));
  const alarms = [];
  for (const one of latest.dependencies.filter((d) => !d.ready)) alarms.push(["bad", `${t.names[one.name] || one.name}: ${one.reason}`]);
  if (latest.plainBeyondLoopback) alarms.push(["bad", t.plain]);
  if (disk.daysLeft >= 0 && disk.daysLeft < 14) alarms.push([disk.daysLeft < 3 ? "bad" : "warn", t.diskSoon(number(disk.daysLeft, 1))]);
  if (latest.unknownSendersAccepted) alarms.push(["warn", t.unknownSenders]);
  const key = JSON.stringify(alarms) + language;
  if (at("alarms").dataset.key !== key) { at("alarms").dataset.key = key; at("alarms").replaceChildren(...alarms.map(([kind, text]) => made("p", `alarm ${kind}`, text))); }
  at("dependencies").replaceChildren(...latest.dependencies.map((one) => {
    const item = made("li");
    item.append(made("span", `lamp ${one.ready ? "good" : "bad"}`), made("span", "", `${t.names[one.name] || one.name} · ${one.ready ? t.ready : one.reason}`));
    return item;
  }));
  put("clock", exact(latest.at)); put("uptime", t.uptime(span((latest.at - latest.started) / 1000)));
  const ready = latest.dependencies.every((one) => one.ready);
  state(ready ? "good" : "bad", ready ? t.live : t.notReady);
}

function follow() {
  if (source) source.close();
  state("warn", t.waiting);
  source = new EventSource("/api/v1/live");
  source.onmessage = (event) => {
    heard = Date.now();
    const next = JSON.parse(event.data);
    history = next.history || [...history, next.throughput.accepted].slice(-300);
    latest = next;
    show(true);
    draw();
  };
  source.onerror = async () => {
    state("warn", t.reconnecting);
    if (source.readyState !== EventSource.CLOSED) return;
    // A closed stream is either a broker that is away or a session that has ended: only an answer can tell.
    const answer = await fetch("/api/v1/session", { cache: "no-store" }).catch(() => null);
    if (answer && answer.status === 401) { latest = null; show(false); state("", ""); } else setTimeout(follow, 2000);
  };
}

async function enter() {
  translate();
  const secret = new URLSearchParams(location.hash.slice(1)).get("signin");
  if (secret) {
    window.history.replaceState(null, "", "/");
    const answer = await fetch("/api/v1/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ signin: secret }) }).catch(() => null);
    if (!answer || answer.status >= 500) fault = "signInFailed"; else if (!answer.ok) fault = "signInUsed"; else fault = "";
  }
  const session = await fetch("/api/v1/session", { cache: "no-store" }).catch(() => null);
  if (session && session.ok) { fault = ""; translate(); show(true); follow(); } else { translate(); show(false); }
}

for (const id of ["zh", "en"]) at(id).addEventListener("click", () => {
  language = id;
  try { localStorage.setItem("hutong-language", id); } catch { /* private window */ }
  translate(); draw();
});
at("leave").addEventListener("click", async () => {
  if (source) source.close();
  await fetch("/api/v1/session", { method: "DELETE" }).catch(() => null);
  latest = null; show(false); state("", "");
});
window.addEventListener("hashchange", enter);
setInterval(() => { if (latest && Date.now() - heard > 5000) state("warn", t.reconnecting); }, 1000);
enter();
