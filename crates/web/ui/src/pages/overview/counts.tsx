// Outcomes of handshakes, errors and routes, as counted tables.
import type { ErrorCount, HandshakeCount, Overview, RouteNow } from '../../api/types';
import { Bars } from '../../components/bars';
import { Spark } from '../../components/spark';
import { Empty } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import { endedIn } from '../../lib/connections';
import { termOf } from '../../lib/filter';
import { tally } from '../../lib/tally';
import { visible } from '../../lib/text';

const ROWS = 5;

export function Handshakes({ overview }: { overview: Overview }) {
  const { t } = useTexts();
  const { to } = usePlace();
  const counts: HandshakeCount[] = overview.handshakes;
  if (counts.length === 0) return <Empty>{t('handshakes.empty')}</Empty>;
  const bars = tally(counts, ({ result }) => result).map(({ key, count, share }) => ({
    key,
    label: t(`word.handshake.${key}`),
    help: t(`word.handshakeHelp.${key}`),
    count,
    share,
    tone: key === 'success' ? 'ok' as const : 'bad' as const,
    action: t('handshakes.filter', { result: t(`word.handshake.${key}`) }),
    href: to('/connections', endedIn(overview, `result:${key}`)),
  }));
  return <Bars caption={t('handshakes.title')} heading={t('handshakes.outcome')} bars={bars} rows={ROWS} />;
}

export function Errors({ counts }: { counts: ErrorCount[] }) {
  const { t } = useTexts();
  if (counts.length === 0) return <Empty>{t('errors.empty')}</Empty>;
  const bars = tally(counts, ({ type }) => type).map(({ key, count, share }) => ({
    key,
    label: t(`word.error.${key}`),
    help: t(`word.errorHelp.${key}`),
    count,
    share,
    tone: 'bad' as const,
  }));
  return <Bars caption={t('errors.title')} heading={t('errors.type')} bars={bars} rows={ROWS} />;
}

export function ErrorRate({ overview }: { overview: Overview }) {
  const { t, format } = useTexts();
  const values = overview.trend.errors_per_second;
  return <Spark values={values} color="proxy" text={`${format.rate(values[values.length - 1] ?? 0)}${t('tile.perSecond')}`} />;
}

export function Routes({ routes }: { routes: RouteNow[] }) {
  const { t } = useTexts();
  const { to } = usePlace();
  if (routes.length === 0) return <Empty>{t('routes.empty')}</Empty>;
  const open = routes.map(({ name, connections }) => ({ name, count: connections.websocket + connections.sse + connections.grpc }));
  const bars = tally(open, ({ name }) => name).map(({ key: name, count, share }) => ({
    key: name, label: visible(name), count, share,
    href: to('/connections', { q: termOf('route', name) }), action: t('routes.filter', { route: visible(name) }),
  }));
  return <Bars caption={t('routes.title')} heading={t('routes.route')} bars={bars} rows={ROWS} />;
}
