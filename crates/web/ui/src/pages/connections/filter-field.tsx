// The field for the text of a filter, and what the gateway says of a text that it does not understand.
import { CloseButton, TextInput, UnstyledButton } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useEffect, useState } from 'react';

import type { ApiFailure } from '../../api/request';
import { SearchIcon } from '../../components/icons';
import { useTexts } from '../../i18n';
import { mendingOf } from '../../lib/filter';
import styles from './filter-field.module.css';

/** What is typed is asked for after this pause. */
const PAUSE_MS = 200;

interface Props {
  text: string;
  failure: ApiFailure | null;
  onFilter: (text: string) => void;
}

export function FilterField({ text, failure, onFilter }: Props) {
  const { t } = useTexts();
  const [typed, setTyped] = useState(text);
  const ask = useDebouncedCallback(onFilter, PAUSE_MS);
  useEffect(() => setTyped(text), [text]);
  const mistaken = failure?.filter ?? null;
  const mending = mistaken === null ? null : mendingOf(text, mistaken);
  return (
    <form
      role="search" className={styles.field}
      onSubmit={(event) => {
        event.preventDefault();
        onFilter(typed);
      }}
    >
      <TextInput
        size="xs" radius={5} data-search aria-label={t('connections.filter')} placeholder="route:chat idle>55s -ip:10.0.0.0/8"
        value={typed} error={failure !== null} spellCheck={false} autoComplete="off" autoCapitalize="off" maxLength={2048}
        aria-describedby={failure === null ? undefined : 'filter-failure'} leftSection={<SearchIcon size={14} />}
        rightSection={typed === '' ? null : <CloseButton size="xs" aria-label={t('connections.clear')} onClick={() => { setTyped(''); onFilter(''); }} />}
        onChange={({ currentTarget: { value } }) => {
          setTyped(value);
          ask(value);
        }}
        onKeyDown={({ key, currentTarget }) => {
          if (key === 'Escape') currentTarget.blur();
        }}
      />
      {failure !== null && (
        <p id="filter-failure" className={styles.failure} role="status">
          {mistaken === null
            ? <bdi lang="en">{failure.message} {failure.hint}</bdi>
            : t('connections.mistake.at', { at: mistaken.at, what: t(`connections.mistake.${mistaken.mistake.kind}`, mistaken.mistake) })}
          {mending !== null && <UnstyledButton className={styles.mend} onClick={() => onFilter(mending.text)}>{t('connections.use', { word: mending.word })}</UnstyledButton>}
        </p>
      )}
    </form>
  );
}
