// Alerts: what fires, what is about to, what is over; rules, silences, and what came of telling people.
import { useAlerts, useDeliveries, useResolved, useRules, useSilences, useTold } from '../../api/alerts';
import { Answer } from '../../components/answer';
import { PageHead, Parts } from '../../components/page-head';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import { firing, pending } from '../../lib/alerts';
import { Incidents } from '../overview/incidents';
import { Deliveries } from './deliveries';
import { AlertTable, ResolvedTable } from './table';
import { Rules } from './rules';
import { Silences } from './silences';

const PARTS = ['firing', 'pending', 'resolved', 'rules', 'silences', 'deliveries'] as const;
type Part = (typeof PARTS)[number];

export function AlertsPage() {
  const { t, format } = useTexts();
  const { query, to } = usePlace();
  const part: Part = PARTS.find((part) => part === query.get('part')) ?? 'firing';
  const alerts = useAlerts();
  const told = useTold();
  const silences = useSilences();
  const rules = useRules();
  const counts: Partial<Record<Part, number | undefined>> = {
    firing: alerts.data && firing(alerts.data, told.data ?? []).length,
    pending: alerts.data && pending(alerts.data).length,
    rules: rules.data?.reduce((sum, group) => sum + group.rules.length, 0),
    silences: silences.data?.filter(({ status }) => status.state === 'active').length,
  };
  const parts = PARTS.map((key) => {
    const count = counts[key];
    return {
      key, label: t(`alerts.parts.${key}`), current: key === part, href: to('/alerts', { part: key === 'firing' ? null : key, silence: null }),
      count: count === undefined ? undefined : format.count(count),
    };
  });
  return (
    <>
      <PageHead title={t('page.alerts')} />
      <Parts label={t('page.alerts')} parts={parts} />
      {part === 'firing' && (
        <>
          <Incidents />
          {alerts.data !== undefined && <Answer of={told} height={40}>{() => null}</Answer>}
          <Answer of={alerts}>{(data) => <AlertTable alerts={firing(data, told.data ?? [])} caption={t('alerts.parts.firing')} empty={t('alerts.noneFires')} />}</Answer>
        </>
      )}
      {part === 'pending' && <Answer of={alerts}>{(data) => <AlertTable alerts={pending(data)} caption={t('alerts.parts.pending')} empty={t('alerts.nonePends')} />}</Answer>}
      {part === 'resolved' && <ResolvedPart />}
      {part === 'rules' && <Answer of={rules}>{(groups) => <Rules groups={groups} />}</Answer>}
      {part === 'silences' && <Answer of={silences}>{(data) => <Silences silences={data} />}</Answer>}
      {part === 'deliveries' && <DeliveriesPart />}
    </>
  );
}

const ResolvedPart = () => <Answer of={useResolved()}>{(resolved) => <ResolvedTable resolved={resolved} />}</Answer>;
const DeliveriesPart = () => <Answer of={useDeliveries()}>{(list) => <Deliveries list={list} />}</Answer>;
