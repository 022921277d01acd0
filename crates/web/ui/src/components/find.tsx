// The field in the bar that finds connections from any page.
import { TextInput } from '@mantine/core';
import { useState } from 'react';

import { useTexts } from '../i18n';
import styles from './find.module.css';
import { SearchIcon } from './icons';
import { usePlace } from './place';

/** An id of a connection: 13 characters of Crockford's base 32. */
const ID = /^[0-9a-hjkmnp-tv-z]{13}$/;

export function Find() {
  const { t } = useTexts();
  const { to } = usePlace();
  const [text, setText] = useState('');
  const find = () => {
    const asked = text.trim();
    if (asked === '') return;
    setText('');
    window.location.hash = ID.test(asked) ? to(`/connections/${asked}`) : to('/connections', { q: asked });
  };
  return (
    <form
      role="search" className={styles.find}
      onSubmit={(event) => {
        event.preventDefault();
        find();
      }}
    >
      <TextInput
        size="xs" radius={5} data-search aria-label={t('connections.find')} placeholder={t('connections.find')} value={text}
        spellCheck={false} autoComplete="off" leftSection={<SearchIcon size={14} />} rightSection={<kbd className={styles.key}>/</kbd>}
        onChange={({ currentTarget: { value } }) => setText(value)}
        onKeyDown={({ key, currentTarget }) => {
          if (key === 'Escape') currentTarget.blur();
        }}
      />
    </form>
  );
}
