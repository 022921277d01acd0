// What the browser tells of the connection, and what is said on it.
import { Button, NumberInput, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';

import { type Fact, Facts } from '../../components/facts';
import { useTexts } from '../../i18n';
import { visible } from '../../lib/text';
import styles from './page.module.css';
import type { Seen, Talk } from './talk';
import { useTestTexts } from './texts';

export function Browser({ seen, isSocket }: { seen: Seen; isSocket: boolean }) {
  const { format } = useTexts();
  const own = useTestTexts();
  const { state, opening, subprotocol, extensions, sent, received, receivedBytes, close } = seen;
  const named = (text: string) => (text === '' ? own('none') : <bdi>{visible(text)}</bdi>);
  const socket: Fact[] = [
    [own('subprotocol'), opening === null ? '–' : named(subprotocol)],
    [own('extensions'), opening === null ? '–' : named(extensions)],
    [own('sentCount'), format.count(sent)],
  ];
  return (
    <div className={styles.facts}>
      <p className={styles.state} data-state={state} role="status">{own(`state.${state}`)}</p>
      <Facts
        facts={[
          [own('opening'), opening === null ? '–' : format.latencyText(opening / 1000)],
          ...(isSocket ? socket : []),
          [own('receivedCount'), `${format.count(received)} · ${format.bytes(receivedBytes)}`],
          ...(close === null ? [] : [[own('closed'), <Closed close={close} />] satisfies Fact]),
        ]}
      />
    </div>
  );
}

function Closed({ close: { code, reason, wasClean } }: { close: NonNullable<Seen['close']> }) {
  const own = useTestTexts();
  const words = own(wasClean ? 'clean' : 'unclean');
  if (code === null) return <>{words}</>;
  return <><bdi>{own('closeWords', { code, reason: reason === '' ? own('none') : visible(reason) })}</bdi> · {words}</>;
}

export function Speak({ talk, onFail }: { talk: Talk; onFail: (message: string | null) => void }) {
  const own = useTestTexts();
  const [text, setText] = useState('{"type":"hello"}');
  const [code, setCode] = useState<number | string>(1000);
  const [reason, setReason] = useState('');
  const send = (event: FormEvent) => {
    event.preventDefault();
    talk.send(text);
  };
  const close = (event: FormEvent) => {
    event.preventDefault();
    try {
      talk.close(Number(code), reason);
      onFail(null);
    } catch (error) {
      onFail((error as Error).message);
    }
  };
  return (
    <div className={styles.speak}>
      <form className={styles.say} onSubmit={send}>
        <TextInput size="xs" label={own('message')} value={text} onChange={({ currentTarget }) => setText(currentTarget.value)} />
        <Button size="xs" type="submit">{own('send')}</Button>
      </form>
      <form className={styles.end} onSubmit={close}>
        <NumberInput size="xs" label={own('code')} value={code} min={1000} max={4999} hideControls allowDecimal={false} onChange={setCode} />
        <TextInput size="xs" label={own('reason')} value={reason} maxLength={123} onChange={({ currentTarget }) => setReason(currentTarget.value)} />
        <Button size="xs" type="submit" variant="default">{own('disconnect')}</Button>
      </form>
    </div>
  );
}
