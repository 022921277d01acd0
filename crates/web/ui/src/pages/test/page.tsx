// A route is tried from this browser: what the browser sees beside what Heartline saw.
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';

import { connectUrl, useRoutes } from '../../api/tryouts';
import type { TryoutView } from '../../api/types';
import { Answer } from '../../components/answer';
import { PageHead } from '../../components/page-head';
import { Empty, Panel } from '../../components/panel';
import { usePlace } from '../../components/place';
import { useTexts } from '../../i18n';
import { Form, listOf } from './form';
import { Heartline } from './heartline';
import { Lines } from './lines';
import styles from './page.module.css';
import { Browser, Speak } from './speak';
import { LINES_MAX, type Plan, Talk } from './talk';
import { useTestTexts } from './texts';

export function TestPage() {
  const { t } = useTexts();
  const own = useTestTexts();
  const { query, change } = usePlace();
  const [talk, setTalk] = useState<Talk | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  useEffect(() => () => talk?.leave(), [talk]);
  const seen = useSyncExternalStore(
    useCallback((listener: () => void) => talk?.subscribe(listener) ?? (() => undefined), [talk]),
    () => talk?.seen() ?? null,
  );
  const begin = ({ id, asked }: TryoutView, subprotocols: string, names: string) => {
    setFailure(null);
    const plan: Plan = {
      url: connectUrl(id, asked.protocol), protocol: asked.protocol === 'sse' ? 'sse' : 'websocket',
      subprotocols: listOf(subprotocols), names: listOf(names),
    };
    try {
      setTalk(new Talk(plan));
      change({ tryout: id });
    } catch (error) {
      setTalk(null);
      setFailure((error as Error).message);
    }
  };
  const isUnderWay = seen !== null && seen.state !== 'closed';
  const tryout = query.get('tryout');
  return (
    <>
      <PageHead title={t('page.test')} note={own('note')} />
      <Panel id="form" title={own('form')} help={own('formHelp')} className={styles.panel}>
        <Answer of={useRoutes()} height={90}>
          {(list) => <Form list={list} failure={failure} talk={isUnderWay ? talk : null} onBegin={begin} onFail={setFailure} />}
        </Answer>
      </Panel>
      <div className={styles.columns}>
        <Panel id="browser" title={own('browser')} help={own('browserHelp')} className={styles.panel}>
          {seen === null ? <Empty>{own('nothingYet')}</Empty> : <Browser seen={seen} isSocket={query.get('protocol') !== 'sse'} />}
        </Panel>
        <Panel id="heartline" title={own('heartline')} help={own('heartlineHelp')} className={styles.panel}>
          {tryout === null ? <Empty>{own('noTryout')}</Empty> : <Heartline key={tryout} id={tryout} isUnderWay={isUnderWay} />}
        </Panel>
      </div>
      {seen !== null && talk !== null && (
        <Panel
          id="lines" title={own('lines')} help={own('linesHelp', { limit: LINES_MAX })}
          note={seen.forgotten > 0 && own('forgotten', { count: seen.forgotten })}
        >
          {seen.state === 'open' && query.get('protocol') !== 'sse' && <Speak talk={talk} onFail={setFailure} />}
          {seen.lines.length === 0 ? <Empty>{own('noLines')}</Empty> : <Lines lines={seen.lines} />}
        </Panel>
      )}
    </>
  );
}
