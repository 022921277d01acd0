// What came of telling people: the channels, and the newest attempts.
import { Button } from '@mantine/core';

import { useSendAgain } from '../../api/alerts';
import type { DeliveryList } from '../../api/types';
import { Empty, Panel } from '../../components/panel';
import table from '../../components/table.module.css';
import { useTexts } from '../../i18n';
import { visible } from '../../lib/text';
import styles from './deliveries.module.css';

export function Deliveries({ list: { items, channels } }: { list: DeliveryList }) {
  const { t, format } = useTexts();
  return (
    <>
      <Panel id="channels" title={t('alerts.channels')} help={t('alerts.channelsHelp')} className={styles.panel}>
        {channels.length === 0 ? <Empty>{t('alerts.noChannels')}</Empty> : (
          <div className={styles.scroll} tabIndex={0} role="group" aria-label={t('alerts.channels')}>
            <table className={table.plain}>
              <thead>
                <tr>
                  <th scope="col">{t('alerts.channel')}</th>
                  <th scope="col">{t('alerts.kind')}</th>
                  <th scope="col" className={table.number}>{t('alerts.waiting')}</th>
                  <th scope="col" className={table.number}>{t('alerts.delivered')}</th>
                  <th scope="col" className={table.number}>{t('alerts.failed')}</th>
                </tr>
              </thead>
              <tbody>
                {channels.map(({ channel, kind, waiting, delivered, failed }) => (
                  <tr key={channel}>
                    <th scope="row"><bdi>{visible(channel)}</bdi></th>
                    <td>{kind}</td>
                    <td className={table.number}>{format.count(waiting)}</td>
                    <td className={table.number}>{format.count(delivered)}</td>
                    <td className={table.number} data-bad={failed > 0 || undefined}>{format.count(failed)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Panel>
      <Panel id="attempts" title={t('alerts.attempts')} help={t('alerts.attemptsHelp')}>
        {items.length === 0 ? <Empty>{t('alerts.noAttempts')}</Empty> : (
          <div className={styles.scroll} tabIndex={0} role="group" aria-label={t('alerts.attempts')}>
            <table className={table.plain}>
              <thead>
                <tr>
                  <th scope="col">{t('alerts.time')}</th>
                  <th scope="col">{t('alerts.channel')}</th>
                  <th scope="col">{t('alerts.alerts')}</th>
                  <th scope="col">{t('alerts.outcome')}</th>
                  <th scope="col" className={table.number}>{t('alerts.try')}</th>
                  <th scope="col" className={table.number}>{t('alerts.took')}</th>
                  <th scope="col">{t('alerts.next')}</th>
                  <th scope="col">{t('alerts.said')}</th>
                </tr>
              </thead>
              <tbody>
                {items.map(({ number, is_repeatable, at_ms, channel, alerts, firing, resolved, outcome, reason, detail, tries, seconds, next_at_ms }) => (
                  <tr key={number} data-attempt={number}>
                    <td title={format.timestamp(new Date(at_ms))}>{format.clock(new Date(at_ms))}</td>
                    <th scope="row"><bdi>{visible(channel)}</bdi></th>
                    <td className={styles.alerts} title={alerts.map(visible).join(', ')}>
                      <bdi>{visible(alerts.join(', '))}</bdi> <span className={styles.counts}>{t('alerts.firingResolved', { firing, resolved })}</span>
                    </td>
                    <td><span className={styles.outcome} data-outcome={outcome}>{t(`alerts.outcomes.${outcome}`)}</span>{reason !== '' && <> {reason}</>}</td>
                    <td className={table.number}>{format.count(tries)}</td>
                    <td className={table.number}>{format.latencyText(seconds)}</td>
                    <td>{is_repeatable ? <SendAgain number={number} alerts={alerts.map(visible).join(', ')} /> : next_at_ms === null ? '–' : format.clock(new Date(next_at_ms))}</td>
                    <td className={styles.detail} title={visible(detail)}><bdi>{visible(detail)}</bdi></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Panel>
    </>
  );
}

/** Asks for a failed attempt to be made again. */
function SendAgain({ number, alerts }: { number: number; alerts: string }) {
  const { t } = useTexts();
  const { mutate, isPending, isSuccess, error } = useSendAgain(number);
  return (
    <span className={styles.again}>
      <Button size="compact-xs" variant="default" loading={isPending} disabled={isSuccess} aria-label={isSuccess ? undefined : t('alerts.sendAgainOf', { alerts })} onClick={() => mutate()}>
        {t(isSuccess ? 'alerts.askedAgain' : 'alerts.sendAgain')}
      </Button>
      {error !== null && <span role="alert" data-bad><bdi>{visible(error.message)}</bdi></span>}
    </span>
  );
}
